;; command: wasi memory realloc files
;; A directory that is open for reading only, beside one that can be written: by links and
;; renames between the two, by truncation, sizes and times (RUSTSEC-2026-0188 and its kin).
(data (i32.const 16) "t") (data (i32.const 24) "README.md") (data (i32.const 40) "u")
(func $refused (call $must (i32.eqz (call $ok))))
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $rw i32) (local $ro i32) (local $dir i32) (local $s i32) (local $p i32) (local $n i32) (local $f i32)
  (local.set $rw (call $root))
  (call $preopens (i32.const 1024))
  (local.set $ro (i32.load offset=24 (i32.load (i32.const 1024))))
  ;; Whatever it is called there.
  (call $read-dir (local.get $ro) (i32.const 1024)) (call $must (call $ok))
  (local.set $s (i32.load (i32.const 1028)))
  (call $next-entry (local.get $s) (i32.const 1024)) (call $must (call $ok))
  (local.set $p (i32.load (i32.const 1036))) (local.set $n (i32.load (i32.const 1040)))
  ;; A second name, here; a new one, there; the file away, and another over it.
  (call $link-at (local.get $ro) (i32.const 0) (local.get $p) (local.get $n) (local.get $rw) (i32.const 16) (i32.const 1) (i32.const 1024)) (call $refused)
  (call $link-at (local.get $ro) (i32.const 0) (local.get $p) (local.get $n) (local.get $ro) (i32.const 16) (i32.const 1) (i32.const 1024)) (call $refused)
  (call $link-at (local.get $rw) (i32.const 0) (i32.const 24) (i32.const 9) (local.get $ro) (i32.const 16) (i32.const 1) (i32.const 1024)) (call $refused)
  (call $rename-at (local.get $ro) (local.get $p) (local.get $n) (local.get $rw) (i32.const 16) (i32.const 1) (i32.const 1024)) (call $refused)
  (call $rename-at (local.get $ro) (local.get $p) (local.get $n) (local.get $ro) (i32.const 16) (i32.const 1) (i32.const 1024)) (call $refused)
  (call $rename-at (local.get $rw) (i32.const 24) (i32.const 9) (local.get $ro) (local.get $p) (local.get $n) (i32.const 1024)) (call $refused)
  ;; Open: to write, to cut, to cut without writing, to make.
  (call $open-at (local.get $ro) (i32.const 1) (local.get $p) (local.get $n) (i32.const 0) (i32.const 2) (i32.const 1024)) (call $refused)
  (call $open-at (local.get $ro) (i32.const 1) (local.get $p) (local.get $n) (i32.const 8) (i32.const 3) (i32.const 1024)) (call $refused)
  (call $open-at (local.get $ro) (i32.const 1) (local.get $p) (local.get $n) (i32.const 8) (i32.const 1) (i32.const 1024)) (call $refused)
  (call $open-at (local.get $ro) (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 1) (i32.const 3) (i32.const 1024)) (call $refused)
  (call $mkdir-at (local.get $ro) (i32.const 16) (i32.const 1) (i32.const 1024)) (call $refused)
  (call $symlink-at (local.get $ro) (i32.const 24) (i32.const 9) (i32.const 16) (i32.const 1) (i32.const 1024)) (call $refused)
  (call $unlink-at (local.get $ro) (local.get $p) (local.get $n) (i32.const 1024)) (call $refused)
  ;; Through a handle that is for reading.
  (local.set $f (call $open (local.get $ro) (local.get $p) (local.get $n) (i32.const 0) (i32.const 1)))
  (call $write (local.get $f) (i32.const 16) (i32.const 1) (i64.const 0) (i32.const 1024)) (call $refused)
  (call $set-size (local.get $f) (i64.const 0) (i32.const 1024)) (call $refused)
  (call $set-times (local.get $f) (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 1024)) (call $refused)
  (call $write-stream (local.get $f) (i64.const 0) (i32.const 1024)) (call $refused)
  (call $append-stream (local.get $f) (i32.const 1024)) (call $refused)
  (call $set-times (local.get $ro) (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 1024)) (call $refused)
  (i32.const 0))
