;; A component that asks for 64 MiB of memory and gives up where it does not get them.
(component
  (core module $main
    (memory 1)
    (func (export "run") (result i32)
      (if (i32.eq (memory.grow (i32.const 1024)) (i32.const -1)) (then unreachable))
      (i32.const 0)))
  (core instance $main (instantiate $main))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exported)))
