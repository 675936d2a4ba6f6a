;; agent: memory realloc
;; 2 million figures, each with a name of a kilobyte: they all share it, here.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (local $n i32) (local $at i32)
  (local.set $at (call $alloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 32000000)))
  (i32.store (i32.const 2060) (local.get $at)) (i32.store (i32.const 2064) (i32.const 2000000))
  (loop $l
    (i32.store offset=4 (local.get $at) (i32.const 1000))
    (local.set $at (i32.add (local.get $at) (i32.const 16)))
    (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 2000000))))
  (i32.const 2048))
