;; command: memory realloc
;; Never gets as far as its export.
(func $start (loop $l (br $l)))
(start $start)
(func (export "wasi:cli/run@0.2.12#run") (result i32) (i32.const 0))
