;; command: wasi memory realloc files
;; Offsets that no file has: an error, and not one byte anywhere.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $f i32)
  (local.set $f (call $file))
  (call $write (local.get $f) (i32.const 16) (i32.const 8) (i64.const -1) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $write (local.get $f) (i32.const 16) (i32.const 8) (i64.const 0x7ffffffffffffffc) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $write (local.get $f) (i32.const 16) (i32.const 8) (i64.const 0x8000000000000000) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (i32.const 0))
