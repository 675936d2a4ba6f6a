;; command: wasi memory realloc files
;; An empty list would be waited for without an end.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $poll (i32.const 2048) (i32.const 0) (i32.const 1024)) (i32.const 0))
