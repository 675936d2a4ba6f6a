;; agent: memory realloc
;; Few bytes each, and a hundred thousand of them.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (i32.store (i32.const 2060) (call $alloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 1600000)))
  (i32.store (i32.const 2064) (i32.const 100000)) (i32.const 2048))
