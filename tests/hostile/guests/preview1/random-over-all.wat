;; preview1: preview1 memory
;; Random bytes, over all that there is and beyond.
(func (export "_start") (drop (call $random_get (i32.const 1024) (i32.const -2048))))
