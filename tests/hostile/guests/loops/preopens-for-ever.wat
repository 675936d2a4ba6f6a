;; command: wasi memory realloc files
;; Each answer is handles, and a list in its own memory.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (loop $l (drop (call $root)) (br $l)) (unreachable))
