;; command: wasi memory realloc files
;; The standard error, a byte a call.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $o i32)
  (local.set $o (call $stderr))
  (loop $l (call $print-on (local.get $o) (i32.const 16) (i32.const 1) (i32.const 1024)) (br $l))
  (unreachable))
