;; reviewer: memory realloc
;; A finding that is neither a note nor an error.
(func (export "brio:core/review@0.1.0#review") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (i32.store8 (i32.const 4096) (i32.const 9))
  (i32.store (i32.const 2064) (i32.const 4096)) (i32.store (i32.const 2068) (i32.const 1)) (i32.const 2048))
