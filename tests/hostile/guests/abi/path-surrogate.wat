;; command: wasi memory realloc files
;; Half of a pair, which UTF-8 has no bytes for.
(data (i32.const 16) "a\ed\a0\80")
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $mkdir-at (call $root) (i32.const 16) (i32.const 4) (i32.const 1024)) (i32.const 0))
