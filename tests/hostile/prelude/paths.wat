  ;; Calls `$try` with each of the strings at `$at`; each ends with a NUL, the last with two.
  (func $each (param $at i32)
    (local $len i32)
    (loop $next
      (local.set $len (i32.const 0))
      (loop $more
        (local.set $len (i32.add (local.get $len) (i32.const 1)))
        (br_if $more (i32.load8_u (i32.add (local.get $at) (local.get $len)))))
      (call $try (local.get $at) (local.get $len))
      (local.set $at (i32.add (local.get $at) (i32.add (local.get $len) (i32.const 1))))
      (br_if $next (i32.load8_u (local.get $at)))))
  ;; The last answer was an error.
  (func $refused (call $must (i32.eqz (call $ok))))
  ;; The third directory that is open: the files of the task.
  (func $input (result i32)
    (call $preopens (i32.const 1024))
    (i32.load offset=24 (i32.load (i32.const 1024))))
