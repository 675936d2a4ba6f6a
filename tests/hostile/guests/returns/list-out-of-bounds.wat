;; agent: memory realloc
;; As many figures as there are numbers.
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.store (i32.const 2060) (i32.const 16)) (i32.store (i32.const 2064) (i32.const -1)) (i32.const 2048))
