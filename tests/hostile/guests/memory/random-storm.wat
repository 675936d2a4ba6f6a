;; command: wasi memory realloc files
;; A megabyte at a time, into one place.
(global $reset (mut i32) (i32.const 0))
(func (export "wasi:cli/run@0.2.12#run") (result i32) (loop $l (call $random (i64.const 1000000) (i32.const 1024)) (global.set $top (i32.const 65536)) (br $l)) (unreachable))
