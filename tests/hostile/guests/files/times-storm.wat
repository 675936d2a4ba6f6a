;; command: wasi memory realloc files
;; The times of a file of the base, again and again: each is a change that is kept.
(data (i32.const 16) "README.md")
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $f i32) (local $n i64)
  (local.set $f (call $open (call $root) (i32.const 16) (i32.const 9) (i32.const 0) (i32.const 3)))
  (loop $l
    (local.set $n (i64.add (local.get $n) (i64.const 1)))
    (call $set-times (local.get $f) (i32.const 2) (local.get $n) (i32.const 0) (i32.const 2) (local.get $n) (i32.const 0) (i32.const 1024))
    (call $must (call $ok))
    (br $l)) (unreachable))
