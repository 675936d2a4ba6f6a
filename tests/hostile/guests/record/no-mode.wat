;; agent: wasi record memory realloc files noted
;; A mode that there is not.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call $set-record (i32.const 1) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024))
  (call $done))
