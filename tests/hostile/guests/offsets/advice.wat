;; command: wasi memory realloc files
;; Advice about what is not there.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $f i32)
  (local.set $f (call $file))
  (call $advise (local.get $f) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $advise (call $root) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (i32.const 0))
