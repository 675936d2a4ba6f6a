;; command: wasi memory
;; All answers in one place: lists, over the strings that they list.
(func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $preopens (i32.const 1024)) (call $arguments (i32.const 4096)) (i32.const 0))
