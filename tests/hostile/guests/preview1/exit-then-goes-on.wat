;; preview1: preview1 memory
;; Would go on after its exit.
(func (export "_start") (call $proc_exit (i32.const 0)) (loop $l (br $l)))
