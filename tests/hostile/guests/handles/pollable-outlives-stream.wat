;; command: wasi memory realloc files
;; Drops a stream while something still waits for it.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $s i32) (local $p i32)
  (local.set $s (call $stdout))
  (local.set $p (call $out-subscribe (local.get $s)))
  (call $drop-out (local.get $s))
  (call $block (local.get $p))
  (i32.const 0))
