;; The outside of a component that serves HTTP.
(component
  (core module $main (func (export "handle")))
  (core instance $main (instantiate $main))
  (func $handle (canon lift (core func $main "handle")))
  (instance $exported (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.3" (instance $exported)))
