;; agent: wasi tools sessions memory realloc files children
;; Commits a session with an open child, commits twice, rolls back what has landed.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call $must (call $child (i32.const 256) (i32.const 10)))
  (memory.copy (i32.const 512) (i32.const 282) (i32.const 41))
  (call $must (call $child (i32.const 272) (i32.const 51)))
  (call $commit (i32.const 512) (i32.const 41) (i32.const 1024)) (call $must (i32.eqz (call $ok)))
  (call $commit (i32.const 282) (i32.const 41) (i32.const 1024)) (call $must (call $ok))
  (call $commit (i32.const 282) (i32.const 41) (i32.const 1024)) (call $must (i32.eqz (call $ok)))
  (call $rollback (i32.const 282) (i32.const 41) (i32.const 1024)) (call $must (i32.eqz (call $ok)))
  (call $rollback (i32.const 512) (i32.const 41) (i32.const 1024)) (call $must (call $ok))
  (call $rollback (i32.const 512) (i32.const 41) (i32.const 1024)) (call $must (i32.eqz (call $ok)))
  (call $done))
