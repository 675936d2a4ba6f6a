;; command: wasi memory realloc files
;; One list of 10^6 that are ready, each of them the same.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $i i32) (local $p i32) (local $list i32)
  (local.set $list (call $alloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 4000000)))
  (local.set $p (call $at (i64.const 0)))
  (loop $l
    (i32.store (i32.add (local.get $list) (i32.mul (local.get $i) (i32.const 4))) (local.get $p))
    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000))))
  (loop $for-ever (call $poll (local.get $list) (i32.const 1000000) (i32.const 1024)) (br $for-ever))
  (unreachable))
