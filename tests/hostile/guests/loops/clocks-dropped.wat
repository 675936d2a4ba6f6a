;; command: wasi memory realloc files
;; The same, and drops each: nothing may be left of it in the host.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (loop $l (call $drop-pollable (call $after (i64.const 1000000000))) (br $l)) (unreachable))
