;; command:
;; An address space of 64 bits, at the end of which it begins to write.
(memory $m i64 1 0x1000000000000)
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (drop (memory.grow $m (i64.const 0xffffffffff)))
  (i64.store $m (i64.const -8) (i64.const 1)) (i32.const 0))
