;; command: wasi memory realloc files
;; Writes more at once than the stream said it takes.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (drop (memory.grow (i32.const 64)))
  (call $write-stream (call $file) (i64.const 0) (i32.const 1024))
  (call $stream-write (i32.load (i32.const 1028)) (i32.const 0) (i32.const 4000000) (i32.const 2048)) (i32.const 0))
