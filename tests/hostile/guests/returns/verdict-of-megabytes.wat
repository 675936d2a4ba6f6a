;; reviewer: memory realloc
;; A rejection with 30 MiB of reasons.
(func (export "brio:core/review@0.1.0#review") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (i32.store (i32.const 2056) (call $alloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 31457280)))
  (i32.store (i32.const 2060) (i32.const 31457280)) (i32.const 2048))
