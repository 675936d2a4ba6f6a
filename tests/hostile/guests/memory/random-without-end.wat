;; command: wasi memory realloc files
;; 2^64-1 random bytes: the host would have to hold them.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $random (i64.const -1) (i32.const 1024)) (i32.const 0))
