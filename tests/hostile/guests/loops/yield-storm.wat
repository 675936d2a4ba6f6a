;; command: wasi memory realloc files
;; Waits for nothing, for ever: each call goes through the host's scheduler.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $p i32)
  (local.set $p (call $at (i64.const 0)))
  (loop $l (call $block (local.get $p)) (br $l)) (unreachable))
