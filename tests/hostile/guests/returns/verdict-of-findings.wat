;; reviewer: memory realloc
;; An approval with half a million findings.
(func (export "brio:core/review@0.1.0#review") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (i32.store8 (i32.const 2052) (i32.const 1))
  (i32.store (i32.const 2064) (call $alloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 20000000)))
  (i32.store (i32.const 2068) (i32.const 500000)) (i32.const 2048))
