;; agent: wasi tools sessions memory realloc files children
;; Begins and rolls back, until its time is over.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (loop $l
    (call $must (call $child (i32.const 256) (i32.const 10)))
    (call $rollback (i32.const 282) (i32.const 41) (i32.const 1024))
    (call $must (call $ok))
    (br $l)) (unreachable))
