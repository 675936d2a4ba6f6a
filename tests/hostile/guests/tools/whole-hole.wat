;; command: wasi tools memory realloc files
;; Reads, and then replaces, a file that is larger than all memory.
(data (i32.const 16) "x") (data (i32.const 32) "new")
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (call $set-size (call $file) (i64.const 0xf0000000000) (i32.const 1024))
  (call $must (call $ok))
  (call $read-file (i32.const 16) (i32.const 1) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $write-file (i32.const 16) (i32.const 1) (i32.const 32) (i32.const 3) (i32.const 1024))
  (call $must (call $ok))
  (call $read-file (i32.const 16) (i32.const 1) (i32.const 1024))
  (call $must (call $ok))
  (call $must (i32.eq (i32.load (i32.const 1032)) (i32.const 3)))
  (i32.const 0))
