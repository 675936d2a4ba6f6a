;; agent: memory realloc
;; Neither ok nor an error.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.store8 (i32.const 2048) (i32.const 7)) (i32.const 2048))
