  ;; Of the last answer: whether it was this case of `record-error`.
  (func $refused (param $case i32) (result i32)
    (i32.and (i32.load8_u (i32.const 1024)) (i32.eq (i32.load8_u (i32.const 1032)) (local.get $case))))
  ;; An agent's success, without a word.
  (func $done (result i32)
    (memory.fill (i32.const 2048) (i32.const 0) (i32.const 32))
    (i32.const 2048))
