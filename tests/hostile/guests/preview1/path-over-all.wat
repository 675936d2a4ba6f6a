;; preview1: preview1 memory
;; A path that is as long as the address space.
(func (export "_start")
  (drop (call $path_open (i32.const 3) (i32.const 1) (i32.const 16) (i32.const -32) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 8))))
