;; command: wasi memory files
;; Grows its memory under the host's hands, so that it may move.
(global $at (mut i32) (i32.const 65536))
(func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (drop (memory.grow (i32.const 1)))
  (global.set $at (i32.add (global.get $at) (i32.const 65536)))
  (global.get $at))
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $i i32)
  (loop $l
    (call $must (i32.ne (i32.const 0) (call $root)))
    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20))))
  (i32.const 0))
