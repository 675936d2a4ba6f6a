;; command: wasi memory realloc files
;; A directory in a directory in a directory, until none can be made; then all of that below a
;; second one like it, which would be twice as deep.
(data (i32.const 16) "de")
(func $dig (param $name i32) (result i32)
  (local $d i32) (local $next i32)
  (local.set $d (call $root))
  (block $deep (loop $l
    (call $mkdir-at (local.get $d) (local.get $name) (i32.const 1) (i32.const 1024))
    (br_if $deep (i32.eqz (call $ok)))
    (local.set $next (call $open (local.get $d) (local.get $name) (i32.const 1) (i32.const 2) (i32.const 33)))
    (call $drop-descriptor (local.get $d))
    (local.set $d (local.get $next))
    (br $l)))
  (local.get $d))
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $bottom i32)
  (drop (call $dig (i32.const 16)))
  (local.set $bottom (call $dig (i32.const 17)))
  (call $rename-at (call $root) (i32.const 16) (i32.const 1) (local.get $bottom) (i32.const 16) (i32.const 1) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (i32.const 0))
