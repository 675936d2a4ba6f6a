;; command: wasi memory realloc files
;; One byte, at 8 TiB: a hole that nobody asked for.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $write (call $file) (i32.const 16) (i32.const 1) (i64.const 0x80000000000) (i32.const 1024)) (i32.const 0))
