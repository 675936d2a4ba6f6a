;; agent: memory realloc
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 2048))
(func (export "cabi_post_brio:core/run@0.1.0#run") (param i32) (loop $l (br $l)))
