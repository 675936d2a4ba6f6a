;; agent: wasi memory realloc
;; Leaves from where nothing may be called any more.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 2048))
(func (export "cabi_post_brio:core/run@0.1.0#run") (param i32) (call $exit (i32.const 0)))
