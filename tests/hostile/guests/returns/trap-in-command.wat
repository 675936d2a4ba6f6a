;; command: memory realloc
(func (export "wasi:cli/run@0.2.12#run") (result i32) (drop (i32.div_u (i32.const 1) (i32.const 0))) (i32.const 0))
