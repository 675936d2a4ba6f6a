;; command: wasi tools memory realloc files
;; Sessions that are not its own, by names that would be paths.
(data (i32.const 16) "../../x") (data (i32.const 32) "sess-00000000-0000-4000-8000-000000000000") (data (i32.const 96) "")
(func $try (param $id i32) (param $len i32)
  (call $status (local.get $id) (local.get $len) (i32.const 1024)) (call $must (i32.eqz (call $ok)))
  (call $change-set (local.get $id) (local.get $len) (i32.const 1024)) (call $must (i32.eqz (call $ok)))
  (call $say (local.get $id) (local.get $len) (i32.const 16) (i32.const 3) (i32.const 1024)) (call $must (i32.eqz (call $ok))))
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (call $try (i32.const 16) (i32.const 7))
  (call $try (i32.const 32) (i32.const 41))
  (call $try (i32.const 96) (i32.const 0))
  (memory.fill (i32.const 4096) (i32.const 97) (i32.const 100000))
  (call $try (i32.const 4096) (i32.const 100000))
  (i32.const 0))
