;; command: wasi memory realloc files
;; As many insecure ones as the guest's memory could take.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $insecure (i64.const 0x40000000) (i32.const 1024)) (i32.const 0))
