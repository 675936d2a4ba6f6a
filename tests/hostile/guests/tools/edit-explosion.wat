;; command: wasi tools memory realloc files
;; Each byte of a file becomes a megabyte: a tebibyte, in the host.
(data (i32.const 16) "big") (data (i32.const 32) "a")
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $text i32)
  (local.set $text (call $alloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1000000)))
  (memory.fill (local.get $text) (i32.const 97) (i32.const 1000000))
  (call $write-file (i32.const 16) (i32.const 3) (local.get $text) (i32.const 1000000) (i32.const 1024))
  (call $must (call $ok))
  (call $edit (i32.const 16) (i32.const 3) (i32.const 32) (i32.const 1) (local.get $text) (i32.const 1000000) (i32.const 1) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $must (i32.eq (i32.load8_u (i32.const 1028)) (i32.const 8))) ;; too-large
  (i32.const 0))
