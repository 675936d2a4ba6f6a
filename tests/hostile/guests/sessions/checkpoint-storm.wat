;; agent: wasi tools sessions memory realloc files children
;; A checkpoint of each moment, until its time is over.
(data (i32.const 400) "c")
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (local $n i32)
  (loop $l
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (i32.store (i32.const 401) (i32.add (i32.const 0x61616161) (i32.and (local.get $n) (i32.const 0x0f0f0f0f))))
    (i32.store (i32.const 405) (i32.add (i32.const 0x61616161) (i32.and (i32.shr_u (local.get $n) (i32.const 4)) (i32.const 0x0f0f0f0f))))
    (call $checkpoint (local.get 7) (local.get 8) (i32.const 400) (i32.const 9) (i32.const 1024))
    (br_if $l (call $ok)))
  (call $done))
