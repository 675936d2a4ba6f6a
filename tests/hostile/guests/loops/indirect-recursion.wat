;; command: memory realloc
;; The same through a table, where no call is known when it is compiled.
(type $f (func (param i32)))
(table 1 funcref)
(elem (i32.const 0) $again)
(func $again (type $f) (call_indirect (type $f) (i32.add (local.get 0) (i32.const 1)) (i32.const 0)))
(func (export "wasi:cli/run@0.2.12#run") (result i32) (call $again (i32.const 0)) (i32.const 0))
