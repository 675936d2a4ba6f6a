;; command: wasi memory realloc files
;; The standard output, in the largest pieces, without asking.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $o i32)
  (local.set $o (call $stdout))
  (loop $l (call $stream-write (local.get $o) (i32.const 0) (i32.const 65536) (i32.const 1024)) (call $must (call $ok)) (br $l))
  (unreachable))
