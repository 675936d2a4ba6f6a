;; command: wasi memory realloc files
;; Streams of every kind, begun and dropped half-way, until its time is over.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $f i32)
  (local.set $f (call $file))
  (loop $l
    (call $write-stream (local.get $f) (i64.const 5) (i32.const 1024))
    (call $stream-write (i32.load (i32.const 1028)) (i32.const 16) (i32.const 3) (i32.const 2048))
    (call $drop-pollable (call $out-subscribe (i32.load (i32.const 1028))))
    (call $drop-out (i32.load (i32.const 1028)))
    (call $read-stream (local.get $f) (i64.const 2) (i32.const 1024))
    (call $drop-pollable (call $in-subscribe (i32.load (i32.const 1028))))
    (call $drop-in (i32.load (i32.const 1028)))
    (br $l)) (unreachable))
