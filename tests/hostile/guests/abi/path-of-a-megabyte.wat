;; command: wasi memory realloc files
;; Names, and paths of many names, that are too long for any file system.
(func $try (param $unit i64) (param $len i32)
  (local $i i32) (local $at i32)
  (local.set $at (call $alloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 1048576)))
  (loop $l
    (i64.store (i32.add (local.get $at) (local.get $i)) (local.get $unit))
    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 1048576))))
  (call $mkdir-at (call $root) (local.get $at) (local.get $len) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $open-at (call $root) (i32.const 1) (local.get $at) (local.get $len) (i32.const 1) (i32.const 3) (i32.const 1024))
  (call $must (i32.eqz (call $ok)))
  (call $symlink-at (call $root) (local.get $at) (local.get $len) (local.get $at) (i32.const 4) (i32.const 1024))
  (if (i32.gt_u (local.get $len) (i32.const 4095)) (then (call $must (i32.eqz (call $ok)))))
  (call $stat-at (call $root) (i32.const 1) (local.get $at) (local.get $len) (i32.const 1024))
  (call $must (i32.eqz (call $ok))))
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (call $try (i64.const 0x6161616161616161) (i32.const 256))     ;; aaaaaaaa
  (call $try (i64.const 0x6161616161616161) (i32.const 1048576))
  (call $try (i64.const 0x2f612f612f612f61) (i32.const 1048575)) ;; a/a/a/a/
  (call $try (i64.const 0x2f2e2e2f2e2e2f2e) (i32.const 1048576)) ;; ./../../
  (i32.const 0))
