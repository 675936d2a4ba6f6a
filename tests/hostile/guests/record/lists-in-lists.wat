;; agent: wasi record memory realloc files noted
;; A context that takes far more room when it is laid out, lists in lists, and one too deep to be read.
(data (i32.const 16) "planner")
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (local $n i32)
  (call $must (i32.ge_s (memory.grow (i32.const 32)) (i32.const 0)))
  ;; 100 brackets, "1,1,…,1", 100 brackets
  (memory.fill (i32.const 131072) (i32.const 91) (i32.const 100))
  (local.set $n (i32.const 131172))
  (loop $l
    (i32.store16 (local.get $n) (i32.const 0x2c31))
    (local.set $n (i32.add (local.get $n) (i32.const 2)))
    (br_if $l (i32.lt_u (local.get $n) (i32.const 1131172))))
  (i32.store8 (local.get $n) (i32.const 49))
  (memory.fill (i32.add (local.get $n) (i32.const 1)) (i32.const 93) (i32.const 100))
  (call $save-context (i32.const 16) (i32.const 7) (i32.const 131072) (i32.const 1000201) (i32.const 1024))
  (call $must (call $refused (i32.const 5)))
  (memory.fill (i32.const 131072) (i32.const 91) (i32.const 1000000))
  (call $save-context (i32.const 16) (i32.const 7) (i32.const 131072) (i32.const 1000000) (i32.const 1024))
  (call $must (call $refused (i32.const 4)))
  (call $done))
