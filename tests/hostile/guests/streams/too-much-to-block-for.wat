;; command: wasi memory realloc files
;; 4,097 bytes, where 4,096 are allowed.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $print-on (call $stdout) (i32.const 16) (i32.const 4097) (i32.const 1024)) (i32.const 0))
