;; preview1: preview1 memory
;; Reads a directory from cookies that it was never given.
(func (export "_start")
  (drop (call $fd_readdir (i32.const 3) (i32.const 4096) (i32.const 8192) (i64.const -1) (i32.const 1024)))
  (drop (call $fd_readdir (i32.const 3) (i32.const 4096) (i32.const 8192) (i64.const 0x7fffffff) (i32.const 1024)))
  (drop (call $fd_readdir (i32.const 3) (i32.const 4096) (i32.const 1) (i64.const 0) (i32.const 1024)))
  (drop (call $fd_seek (i32.const 3) (i64.const -1) (i32.const 7) (i32.const 1024)))
  (drop (call $fd_allocate (i32.const 3) (i64.const -1) (i64.const -1))))
