;; command: wasi memory realloc files
;; One file between two names, until its time is over.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $d i32)
  (call $drop-descriptor (call $file))
  (i32.store8 (i32.const 17) (i32.const 121))
  (local.set $d (call $root))
  (loop $l
    (call $rename-at (local.get $d) (i32.const 16) (i32.const 1) (local.get $d) (i32.const 17) (i32.const 1) (i32.const 1024))
    (call $rename-at (local.get $d) (i32.const 17) (i32.const 1) (local.get $d) (i32.const 16) (i32.const 1) (i32.const 1024))
    (br $l)) (unreachable))
