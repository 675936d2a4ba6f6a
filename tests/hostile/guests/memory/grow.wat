;; command: memory realloc
;; All the memory there is, and writes on it.
(func (export "wasi:cli/run@0.2.12#run") (result i32)
  (local $at i32)
  (loop $l
    (local.set $at (memory.grow (i32.const 16)))
    (if (i32.eq (local.get $at) (i32.const -1)) (then (unreachable)))
    (i32.store (i32.mul (local.get $at) (i32.const 65536)) (i32.const 1))
    (br $l)) (unreachable))
