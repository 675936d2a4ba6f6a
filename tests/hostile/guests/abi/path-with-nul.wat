;; command: wasi memory realloc files
;; A name that the kernel would cut.
(data (i32.const 16) "a.txt\00.png")
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (call $mkdir-at (call $root) (i32.const 16) (i32.const 10) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $symlink-at (call $root) (i32.const 16) (i32.const 10) (i32.const 16) (i32.const 1) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (i32.const 0))
