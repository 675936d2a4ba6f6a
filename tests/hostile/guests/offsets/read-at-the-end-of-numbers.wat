;; command: wasi memory realloc files
;; As many bytes as can be said, from beyond any end.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $f i32)
  (local.set $f (call $file))
  (call $read (local.get $f) (i64.const -1) (i64.const 0) (i32.const 1024))
  (call $must (call $ok))
  (call $must (i32.eqz (i32.load (i32.const 1032))))
  (call $read (local.get $f) (i64.const -1) (i64.const -1) (i32.const 1024))
  (call $read-stream (local.get $f) (i64.const -1) (i32.const 1024))
  (call $must (call $ok))
  (call $stream-blocking-read (i32.load (i32.const 1028)) (i64.const -1) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (i32.const 0))
