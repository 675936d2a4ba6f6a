;; command: wasi memory realloc files
(data (i32.const 16) "a\ff\fe\80")
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $open-at (call $root) (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 1) (i32.const 3) (i32.const 1024)) (i32.const 0))
