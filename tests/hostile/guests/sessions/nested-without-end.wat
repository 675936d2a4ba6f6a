;; agent: wasi tools sessions memory realloc files children
;; A child of a child of a child, each kept open.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call $must (call $child (i32.const 256) (i32.const 10)))
  (loop $l (br_if $l (call $child (i32.const 272) (i32.const 51))))
  (call $done))
