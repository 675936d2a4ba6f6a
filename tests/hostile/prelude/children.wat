  (data (i32.const 256) "/workspace")
  (data (i32.const 272) "/sessions/")
  ;; Begins a session; whether it did. Its id is at 304, its path at 272: 10 and 41 bytes.
  (func $child (param $at i32) (param $len i32) (result i32)
    (call $begin (local.get $at) (local.get $len) (i32.const 1024))
    (if (i32.eqz (call $ok)) (then (return (i32.const 0))))
    (memory.copy (i32.const 282) (i32.load (i32.const 1028)) (i32.const 41))
    (i32.const 1))
  ;; An agent's success, without a word.
  (func $done (result i32)
    (memory.fill (i32.const 2048) (i32.const 0) (i32.const 32))
    (i32.const 2048))
