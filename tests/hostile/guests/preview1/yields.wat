;; preview1: preview1 memory
;; Gives way, for ever.
(func (export "_start") (loop $l (drop (call $sched_yield)) (br $l)))
