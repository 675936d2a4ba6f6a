;; agent: wasi record memory realloc files noted
;; A content that is no UTF-8.
(data (i32.const 16) "note") (data (i32.const 32) "\ff\fe")
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call $write-note (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 2) (i32.const 0) (i64.const 0) (i32.const 1024))
  (call $done))
