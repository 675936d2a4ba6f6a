  ;; Results are put at 1024. The handle of the session's directory.
  (func $root (result i32)
    (call $preopens (i32.const 1024))
    (i32.load (i32.load (i32.const 1024))))
  ;; Whether the last answer was ok; the code of its error.
  (func $ok (result i32) (i32.eqz (i32.load8_u (i32.const 1024))))
  (func $code (result i32) (i32.load8_u (i32.const 1028)))
  (func $must (param i32) (if (i32.eqz (local.get 0)) (then (unreachable))))
  ;; Opens a path: the flags of the opening, of the descriptor.
  (func $open (param $dir i32) (param $path i32) (param $len i32) (param $open i32) (param $flags i32) (result i32)
    (call $open-at (local.get $dir) (i32.const 0) (local.get $path) (local.get $len) (local.get $open) (local.get $flags) (i32.const 1024))
    (call $must (call $ok))
    (i32.load (i32.const 1028)))
  ;; A new file `x` (the byte at 16), to be read and written.
  (func $file (result i32)
    (i32.store8 (i32.const 16) (i32.const 120))
    (call $open (call $root) (i32.const 16) (i32.const 1) (i32.const 1) (i32.const 3)))
