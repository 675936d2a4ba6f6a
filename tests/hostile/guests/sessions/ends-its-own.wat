;; agent: wasi tools sessions memory realloc files children
;; Commits and rolls back what only its supervisor may end, and what is not there.
(data (i32.const 400) "sess-00000000-0000-4000-8000-000000000000") (data (i32.const 460) "../x")
(func $try (param $id i32) (param $len i32)
  (call $commit (local.get $id) (local.get $len) (i32.const 1024)) (call $must (i32.eqz (call $ok)))
  (call $rollback (local.get $id) (local.get $len) (i32.const 1024)) (call $must (i32.eqz (call $ok))))
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call $try (local.get 7) (local.get 8))
  (call $try (i32.const 400) (i32.const 41))
  (call $try (i32.const 460) (i32.const 4))
  (memory.fill (i32.const 4096) (i32.const 97) (i32.const 60000))
  (call $try (i32.const 4096) (i32.const 60000))
  (call $done))
