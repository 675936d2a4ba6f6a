;; reviewer: memory realloc
;; Approves, and traps after that: no approval.
(func (export "brio:core/review@0.1.0#review") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.store8 (i32.const 2052) (i32.const 1)) (i32.const 2048))
(func (export "cabi_post_brio:core/review@0.1.0#review") (param i32) (unreachable))
