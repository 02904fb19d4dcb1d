;; A command of WASI 0.3 that traps.
(component
  (core module $main (memory (export "memory") 1) (data (i32.const 64) "here") (func (export "run") (result i32) unreachable))
  (core instance $main (instantiate $main))
  (func $run async (result (result)) (canon lift (core func $main "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.3.0" (instance $exported)))
