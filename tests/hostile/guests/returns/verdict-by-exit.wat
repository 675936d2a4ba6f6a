;; reviewer: wasi memory realloc
;; Leaves with success, and says nothing: no approval.
(func (export "brio:core/review@0.1.0#review") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $exit (i32.const 0)) (unreachable))
