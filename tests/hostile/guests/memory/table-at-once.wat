;; command: memory realloc
;; A table of 4 billion, in one step.
(table $t 1 funcref)
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (if (i32.eq (table.grow $t (ref.null func) (i32.const -2)) (i32.const -1)) (then (unreachable)))
  (i32.const 0))
