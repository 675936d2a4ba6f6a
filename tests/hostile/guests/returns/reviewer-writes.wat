;; reviewer: wasi memory realloc files
;; Changes what it is to judge, then approves.
(data (i32.const 32) "README.md")
(func (export "brio:core/review@0.1.0#review") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call $open-at (call $root) (i32.const 0) (i32.const 32) (i32.const 9) (i32.const 8) (i32.const 3) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $mkdir-at (call $root) (i32.const 32) (i32.const 3) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $unlink-at (call $root) (i32.const 32) (i32.const 9) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (memory.fill (i32.const 2048) (i32.const 0) (i32.const 64))
  (i32.store8 (i32.const 2052) (i32.const 1)) (i32.const 2048))
