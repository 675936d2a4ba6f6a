;; command: wasi memory realloc files
;; A hole of a tebibyte takes no room yet: it counts all the same.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $set-size (call $file) (i64.const 0x10000000000) (i32.const 1024)) (i32.const 0))
