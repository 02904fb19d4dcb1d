;; A component of wasi:http/incoming-handler that traps before it serves anybody.
(component
  (import "wasi:http/types@0.2.0" (instance $t
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $t "incoming-request" (type $r))
  (alias export $t "response-outparam" (type $o))
  (core module $m (func (export "handle") (param i32 i32)) (func $s unreachable) (start $s))
  (core instance $i (instantiate $m))
  (func $h (param "request" (own $r)) (param "response-out" (own $o)) (canon lift (core func $i "handle")))
  (instance $e (export "handle" (func $h)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $e)))
