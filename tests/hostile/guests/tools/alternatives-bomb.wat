;; agent: wasi tools memory realloc files
;; A decision between 2 million things.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (local $list i32)
  (local.set $list (call $alloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 16000000)))
  (call $decide (local.get 7) (local.get 8) (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 0) (local.get $list) (i32.const 2000000) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (i32.store (i32.const 2048) (i32.const 0))
  (i32.store (i32.const 2056) (i32.const 0)) (i32.store (i32.const 2064) (i32.const 0))
  (i32.const 2048))
