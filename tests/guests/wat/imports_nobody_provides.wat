;; Imports a function that no host of WASI provides: the refusal should name it.
(module
  (import "telephone" "dial" (func $dial (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (drop (call $dial (i32.const 7)))))
