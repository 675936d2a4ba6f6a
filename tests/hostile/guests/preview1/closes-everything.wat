;; preview1: preview1 memory
;; Closes and renumbers all descriptors that there are, and those that there are not.
(func (export "_start")
  (local $i i32)
  (loop $l
    (drop (call $fd_renumber (local.get $i) (i32.add (local.get $i) (i32.const 1))))
    (drop (call $fd_close (local.get $i)))
    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))
  (drop (call $fd_close (i32.const -1))))
