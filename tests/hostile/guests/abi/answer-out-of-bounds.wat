;; command: wasi memory realloc files
;; The answer itself would lie outside.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $preopens (i32.const -4)) (i32.const 0))
