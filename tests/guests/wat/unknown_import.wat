;; A command that imports an interface of somebody else's.
(component
  (import "acme:phone/dial@1.0.0" (instance $phone (export "dial" (func))))
  (core func $dial (canon lower (func $phone "dial")))
  (core module $main
    (import "host" "dial" (func $dial))
    (func (export "run") (result i32) (call $dial) (i32.const 0)))
  (core instance $main (instantiate $main (with "host" (instance (export "dial" (func $dial))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exported)))
