;; command: wasi memory realloc files
;; Bits that no flag has are no flags: it opens for reading, and cannot write.
(data (i32.const 16) "README.md")
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $f i32)
  (call $open-at (call $root) (i32.const -2) (i32.const 16) (i32.const 9) (i32.const -16) (i32.const -63) (i32.const 1024))
  (call $must (call $ok))
  (local.set $f (i32.load (i32.const 1028)))
  (call $write (local.get $f) (i32.const 16) (i32.const 9) (i64.const 0) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (i32.const 0))
