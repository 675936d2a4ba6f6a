;; command: wasi memory realloc files
;; Address plus four times the length wraps around.
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $poll (i32.const 2048) (i32.const 0x40000001) (i32.const 1024)) (i32.const 0))
