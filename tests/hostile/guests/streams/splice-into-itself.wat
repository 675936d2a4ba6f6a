;; command: wasi memory realloc files
;; A file that is copied to its own end.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $f i32) (local $in i32) (local $out i32)
  (local.set $f (call $file))
  (call $write (local.get $f) (i32.const 0) (i32.const 65536) (i64.const 0) (i32.const 1024))
  (call $read-stream (local.get $f) (i64.const 0) (i32.const 1024))
  (local.set $in (i32.load (i32.const 1028)))
  (call $append-stream (local.get $f) (i32.const 1024))
  (local.set $out (i32.load (i32.const 1028)))
  (loop $l (call $splice (local.get $out) (local.get $in) (i64.const -1) (i32.const 1024)) (call $must (call $ok)) (br $l))
  (unreachable))
