;; command: wasi memory realloc files
;; Makes the disk flush, as often as it can.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $f i32)
  (local.set $f (call $file))
  (loop $l
    (call $write (local.get $f) (i32.const 16) (i32.const 1) (i64.const 0) (i32.const 1024))
    (call $sync (local.get $f) (i32.const 1024))
    (br $l)) (unreachable))
