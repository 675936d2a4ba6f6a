;; command: wasi memory realloc files
;; Reads a standard input that nobody writes, by all it offers.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $in i32)
  (local.set $in (call $stdin))
  (loop $l
    (call $stream-read (local.get $in) (i64.const -1) (i32.const 1024))
    (call $stream-skip (local.get $in) (i64.const -1) (i32.const 1024))
    (call $stream-blocking-read (local.get $in) (i64.const -1) (i32.const 1024))
    (call $block (call $in-subscribe (local.get $in)))
    (br $l)) (unreachable))
