;; command: wasi memory realloc files
;; A stream where a file is asked for.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $write (call $stdout) (i32.const 16) (i32.const 1) (i64.const 0) (i32.const 1024)) (i32.const 0))
