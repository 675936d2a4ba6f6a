;; agent: memory realloc
;; Scores that are no numbers, or larger than any.
(data (i32.const 16) "score")
(func $metric (param $n i32) (param $value f64)
  (local $at i32)
  (local.set $at (i32.add (i32.const 4096) (i32.mul (local.get $n) (i32.const 16))))
  (i32.store (local.get $at) (i32.const 16)) (i32.store offset=4 (local.get $at) (i32.const 5))
  (f64.store offset=8 (local.get $at) (local.get $value)))
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call $metric (i32.const 0) (f64.const nan)) (call $metric (i32.const 1) (f64.const inf))
  (call $metric (i32.const 2) (f64.const -inf)) (call $metric (i32.const 3) (f64.const 1e308))
  (call $metric (i32.const 4) (f64.const nan:0x4000000000001)) (call $metric (i32.const 5) (f64.const -0))
  (i32.store (i32.const 2060) (i32.const 4096)) (i32.store (i32.const 2064) (i32.const 6)) (i32.const 2048))
