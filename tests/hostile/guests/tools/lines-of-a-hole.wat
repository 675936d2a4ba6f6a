;; command: wasi tools memory realloc files
;; A line that does not end for as long as a disk is large.
(data (i32.const 16) "x")
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (call $set-size (call $file) (i64.const 0xf0000000000) (i32.const 1024))
  (call $must (call $ok))
  (call $read-range (i32.const 16) (i32.const 1) (i32.const 2) (i32.const 2) (i32.const 1024))
  (i32.const 0))
