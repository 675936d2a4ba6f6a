;; agent: wasi record memory realloc files noted
;; A note after the other, under a million names, until one is refused or its time is over.
(data (i32.const 400) "n/")
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (local $n i32) (local $rest i32) (local $at i32)
  (loop $l
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (local.set $rest (local.get $n))
    (local.set $at (i32.const 402))
    (loop $digits
      (i32.store8 (local.get $at) (i32.add (i32.const 97) (i32.and (local.get $rest) (i32.const 15))))
      (local.set $rest (i32.shr_u (local.get $rest) (i32.const 4)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $digits (i32.lt_u (local.get $at) (i32.const 408))))
    (call $write-note (i32.const 400) (i32.const 8) (i32.const 400) (i32.const 8) (i32.const 0) (i64.const 0) (i32.const 1024))
    (br_if $l (call $ok)))
  ;; It is what it may write that ends it.
  (call $must (call $refused (i32.const 6)))
  (call $must (i32.eq (local.get $n) (i32.const 4097)))
  (loop $on (br $on))
  (call $done))
