;; command: wasi memory realloc files
;; Names of one file, without an end.
(func $name (param $n i32) (result i32)
  (i32.store (i32.const 24) (i32.add (i32.const 0x61616161) (i32.and (local.get $n) (i32.const 0x0f0f0f0f))))
  (i32.store (i32.const 28) (i32.add (i32.const 0x61616161) (i32.and (i32.shr_u (local.get $n) (i32.const 4)) (i32.const 0x0f0f0f0f))))
  (i32.const 24))
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $d i32) (local $n i32)
  (call $drop-descriptor (call $file))
  (local.set $d (call $root))
  (loop $l
    (call $link-at (local.get $d) (i32.const 0) (i32.const 16) (i32.const 1) (local.get $d) (call $name (local.get $n)) (i32.const 8) (i32.const 1024))
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (br $l)) (unreachable))
