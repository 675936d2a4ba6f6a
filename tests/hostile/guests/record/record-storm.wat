;; agent: wasi record memory realloc files noted
;; Updates of the record and looks at everything, until its time is over.
(data (i32.const 16) "**") (data (i32.const 32) "sessions/session")
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (local $n i32)
  (loop $l
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (call $set-record (i32.const 1) (i32.and (local.get $n) (i32.const 3)) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024))
    (call $get-record (i32.const 1024))
    (call $must (call $ok))
    (call $list-notes (i32.const 16) (i32.const 2) (i32.const 1024))
    (call $must (call $ok))
    (call $note-history (i32.const 32) (i32.const 16) (i32.const 1024))
    (call $must (call $ok))
    (br $l))
  (call $done))
