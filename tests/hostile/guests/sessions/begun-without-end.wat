;; agent: wasi tools sessions memory realloc files children
;; Children side by side, each kept open.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (loop $l (br_if $l (call $child (i32.const 256) (i32.const 10))))
  (call $done))
