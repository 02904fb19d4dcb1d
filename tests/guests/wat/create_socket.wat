;; A component that asks for a socket, and ends with the number of the error that it is told; with 100 where it gets one.
(component
  (import "wasi:sockets/network@0.2.0" (instance $network
    (type $code (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
      "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable"
      "address-in-use" "remote-unreachable" "connection-refused" "connection-reset" "connection-aborted"
      "datagram-too-large" "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
    (export "error-code" (type (eq $code)))
    (type $family (enum "ipv4" "ipv6"))
    (export "ip-address-family" (type (eq $family)))))
  (alias export $network "error-code" (type $error-code))
  (alias export $network "ip-address-family" (type $ip-address-family))
  (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
  (alias export $tcp "tcp-socket" (type $tcp-socket))
  (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create
    (alias outer 1 $error-code (type $error-code'))
    (export "error-code" (type $error-code (eq $error-code')))
    (alias outer 1 $ip-address-family (type $family'))
    (export "ip-address-family" (type $family (eq $family')))
    (alias outer 1 $tcp-socket (type $tcp-socket'))
    (export "tcp-socket" (type $tcp-socket (eq $tcp-socket')))
    (type $own (own $tcp-socket))
    (type $outcome (result $own (error $error-code)))
    (export "create-tcp-socket" (func (param "address-family" $family) (result $outcome)))))
  (import "wasi:cli/exit@0.2.12" (instance $exit (export "exit-with-code" (func (param "status-code" u8)))))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $bytes-of-it))
  (core func $create (canon lower (func $create "create-tcp-socket") (memory $bytes-of-it)))
  (core func $exit (canon lower (func $exit "exit-with-code")))
  (core module $main
    (import "host" "memory" (memory 1))
    (import "host" "create" (func $create (param i32 i32)))
    (import "host" "exit" (func $exit (param i32)))
    (func (export "run") (result i32)
      (call $create (i32.const 0) (i32.const 0))
      (if (i32.load8_u (i32.const 0)) (then (call $exit (i32.load8_u (i32.const 4)))))
      (call $exit (i32.const 100))
      (i32.const 0)))
  (core instance $main (instantiate $main (with "host" (instance
    (export "memory" (memory $bytes-of-it))
    (export "create" (func $create))
    (export "exit" (func $exit))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exported)))
