;; command: memory realloc
;; A table that is larger than any instance may have.
(table $t 10000000 funcref)
(func (export "wasi:cli/run@0.2.12#run") (result i32) (i32.const 0))
