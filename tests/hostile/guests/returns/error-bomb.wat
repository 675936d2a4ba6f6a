;; agent: memory realloc
;; An error that takes 30 MiB to say.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 1)) (i32.store8 (i32.const 2052) (i32.const 1))
  (i32.store (i32.const 2056) (call $alloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 31457280)))
  (i32.store (i32.const 2060) (i32.const 31457280)) (i32.const 2048))
