;; command: wasi memory realloc files
;; Begins to list a directory, again and again, and reads no entry.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $d i32)
  (local.set $d (call $root))
  (loop $l (call $read-dir (local.get $d) (i32.const 1024)) (call $must (call $ok)) (br $l)) (unreachable))
