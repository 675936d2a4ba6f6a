;; command: wasi memory realloc files
;; The same through a stream that begins there.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (call $write-stream (call $file) (i64.const 0x80000000000) (i32.const 1024))
  (call $print-on (i32.load (i32.const 1028)) (i32.const 16) (i32.const 1) (i32.const 1024))
  (i32.const 0))
