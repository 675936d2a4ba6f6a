;; command: wasi memory realloc files
;; Grows a file and cuts it, again and again: what is given back counts as well.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $f i32)
  (local.set $f (call $file))
  (loop $l
    (call $set-size (local.get $f) (i64.const 1000000) (i32.const 1024))
    (call $must (call $ok))
    (call $set-size (local.get $f) (i64.const 0) (i32.const 1024))
    (call $must (call $ok))
    (br $l)) (unreachable))
