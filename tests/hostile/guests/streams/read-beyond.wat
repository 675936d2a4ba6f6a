;; command: wasi memory realloc files
;; Reads and skips beyond a file's end, for ever.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (call $read-stream (call $file) (i64.const 0) (i32.const 1024))
  (loop $l
    (call $stream-skip (i32.load (i32.const 1028)) (i64.const -1) (i32.const 2048))
    (call $stream-blocking-read (i32.load (i32.const 1028)) (i64.const 0) (i32.const 2048))
    (br $l)) (unreachable))
