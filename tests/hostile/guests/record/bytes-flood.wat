;; agent: wasi record memory realloc files noted
;; One note, 16 MiB each time, until it is refused; and nothing goes in after that.
(data (i32.const 16) "large") (data (i32.const 32) "planner") (data (i32.const 48) "{}")
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (local $at i32) (local $n i32)
  (local.set $at (call $alloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16777216)))
  (memory.fill (local.get $at) (i32.const 97) (i32.const 16777216))
  (loop $l
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (call $write-note (i32.const 16) (i32.const 5) (local.get $at) (i32.const 16777216) (i32.const 0) (i64.const 0) (i32.const 1024))
    (br_if $l (call $ok)))
  (call $must (call $refused (i32.const 6)))
  (call $must (i32.eq (local.get $n) (i32.const 5)))
  (call $save-context (i32.const 32) (i32.const 7) (i32.const 48) (i32.const 2) (i32.const 1024))
  (call $must (call $refused (i32.const 6)))
  (call $done))
