;; agent: memory realloc
;; An error that would clear the screen, and forge the line of a landing.
(data (i32.const 16) "\1b[2J\1b]0;brio\07\0d\1b[1mlanded 1\1b[0m\0a\00\e2\80\ae")
(func (export "brio:core/run@0.1.0#run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 1)) (i32.store8 (i32.const 2052) (i32.const 1))
  (i32.store (i32.const 2056) (i32.const 16)) (i32.store (i32.const 2060) (i32.const 38)) (i32.const 2048))
