;; command: wasi memory realloc files
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $read (i32.const 12345) (i64.const 1) (i64.const 0) (i32.const 1024)) (i32.const 0))
