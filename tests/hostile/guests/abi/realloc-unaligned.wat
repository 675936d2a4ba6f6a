;; command: wasi memory files
;; An odd address, for what must be aligned.
(func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4099))
(func (export "wasi:cli/run@0.2.12#run") (result i32) (drop (call $root)) (i32.const 0))
