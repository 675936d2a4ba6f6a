;; command: wasi memory realloc files
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (call $write-stream (call $file) (i64.const 0) (i32.const 1024))
  (call $write-zeroes (i32.load (i32.const 1028)) (i64.const 0x10000000000) (i32.const 1024)) (i32.const 0))
