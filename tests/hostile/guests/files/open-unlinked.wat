;; command: wasi memory realloc files
;; Files that are open and have no name: written, never seen, and as many as handles allow.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $d i32) (local $f i32)
  (local.set $d (call $root))
  (loop $l
    (local.set $f (call $open (local.get $d) (i32.const 16) (i32.const 1) (i32.const 1) (i32.const 3)))
    (call $write (local.get $f) (i32.const 0) (i32.const 100) (i64.const 0) (i32.const 1024))
    (call $unlink-at (local.get $d) (i32.const 16) (i32.const 1) (i32.const 1024))
    (br $l))
  (unreachable))
(data (i32.const 16) "x")
