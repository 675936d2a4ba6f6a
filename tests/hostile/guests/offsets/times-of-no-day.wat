;; command: wasi memory realloc files
;; Times that no clock has.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $f i32)
  (local.set $f (call $file))
  (call $set-times (local.get $f) (i32.const 2) (i64.const -1) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $set-times (local.get $f) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 2) (i64.const 1) (i32.const 1000000000) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  ;; The last second that can be said: taken or refused.
  (call $set-times (local.get $f) (i32.const 2) (i64.const 0x7fffffffffffffff) (i32.const 999999999) (i32.const 2) (i64.const 0x7fffffffffffffff) (i32.const 999999999) (i32.const 1024))
  (call $stat (local.get $f) (i32.const 1024))
  (call $must (call $ok))
  (i32.const 0))
