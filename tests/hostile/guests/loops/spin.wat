;; command: memory realloc
;; Never ends.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (loop $l (br $l)) (unreachable))
