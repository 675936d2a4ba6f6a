;; command: memory realloc
;; A table that grows without an end.
(table $t 1 funcref)
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (loop $l
    (if (i32.eq (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1)) (then (unreachable)))
    (br $l)) (unreachable))
