;; preview1: preview1 memory
;; A million subscriptions that nobody made.
(func (export "_start") (drop (call $poll_oneoff (i32.const 0) (i32.const 65536) (i32.const 1000000) (i32.const 1024))))
