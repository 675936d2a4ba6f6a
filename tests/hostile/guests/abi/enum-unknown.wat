;; command: wasi memory realloc files
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $advise (call $file) (i64.const 0) (i64.const 0) (i32.const 99) (i32.const 1024)) (i32.const 0))
