;; command: wasi memory realloc files
;; Directories that are made and removed: nothing is there, and yet they were made.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $d i32)
  (i32.store8 (i32.const 16) (i32.const 100))
  (local.set $d (call $root))
  (loop $l
    (call $mkdir-at (local.get $d) (i32.const 16) (i32.const 1) (i32.const 1024))
    (call $rmdir-at (local.get $d) (i32.const 16) (i32.const 1) (i32.const 1024))
    (br $l)) (unreachable))
