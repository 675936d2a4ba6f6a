;; command: wasi memory realloc files
;; Waits for the end of time, by several clocks at once.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (i32.store (i32.const 2048) (call $at (i64.const -1)))
  (i32.store (i32.const 2052) (call $at (i64.const 0x7fffffffffffffff)))
  (i32.store (i32.const 2056) (call $after (i64.const -2)))
  (call $poll (i32.const 2048) (i32.const 3) (i32.const 1024))
  (i32.const 0))
