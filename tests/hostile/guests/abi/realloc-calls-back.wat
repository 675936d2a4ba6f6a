;; command: wasi memory files
;; Calls the host from within the host's call.
(func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (call $preopens (i32.const 1024)) (i32.const 4096))
(func (export "wasi:cli/run@0.2.12#run") (result i32) (drop (call $root)) (i32.const 0))
