;; agent: wasi tools memory realloc files
;; Talks without an end: the journal is kept for good. Its own session is the ninth parameter.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (memory.fill (i32.const 4096) (i32.const 97) (i32.const 60000))
  (loop $l
    (call $say (local.get 7) (local.get 8) (i32.const 4096) (i32.const 60000) (i32.const 1024))
    (br_if $l (call $ok)))
  ;; limit
  (call $must (i32.eq (i32.load8_u (i32.const 1028)) (i32.const 3)))
  (call $decide (local.get 7) (local.get 8) (i32.const 4096) (i32.const 60000) (i32.const 4096) (i32.const 60000) (i32.const 0) (i32.const 0) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (i32.store (i32.const 2048) (i32.const 0))
  (i32.store (i32.const 2052) (i32.const 0)) (i32.store (i32.const 2056) (i32.const 0))
  (i32.store (i32.const 2060) (i32.const 0)) (i32.store (i32.const 2064) (i32.const 0))
  (i32.const 2048))
