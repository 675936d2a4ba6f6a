;; agent: wasi tools sessions memory realloc files children
;; What a child writes, and lands in its parent, counts as what the run wrote.
(data (i32.const 16) "x")
(func $sessions (result i32)
  (call $preopens (i32.const 1024))
  (i32.load (i32.add (i32.load (i32.const 1024)) (i32.mul (i32.const 12) (i32.sub (i32.load (i32.const 1028)) (i32.const 1))))))
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (local $f i32) (local $s i32)
  (local.set $s (call $sessions))
  (loop $l
    (call $must (call $child (i32.const 256) (i32.const 10)))
    (i32.store16 (i32.const 323) (i32.const 0x782f))
    (local.set $f (call $open (local.get $s) (i32.const 282) (i32.const 43) (i32.const 9) (i32.const 3)))
    (call $set-size (local.get $f) (i64.const 8000000) (i32.const 1024))
    (call $must (call $ok))
    (call $drop-descriptor (local.get $f))
    (call $commit (i32.const 282) (i32.const 41) (i32.const 1024)) (call $must (call $ok))
    (br $l)) (unreachable))
