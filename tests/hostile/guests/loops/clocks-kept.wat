;; command: wasi memory realloc files
;; Asks to be woken, again and again, and never drops what it got.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (loop $l (drop (call $after (i64.const 1000000000))) (br $l)) (unreachable))
