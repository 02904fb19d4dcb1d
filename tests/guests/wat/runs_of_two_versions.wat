;; Exports `wasi:cli/run` of 0.2, which traps, and of 0.3, as every program for 0.3 does whose standard library is one of
;; 0.2. Its newer run waits for a clock of 0.3, and then returns an error.
(component
  (import "wasi:clocks/monotonic-clock@0.3.0" (instance $clock
    (export "wait-for" (func async (param "how-long" u64)))))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $events))
  (core func $wait-for (canon lower (func $clock "wait-for") async))
  (core func $set (canon waitable-set.new))
  (core func $join (canon waitable.join))
  (core func $wait (canon waitable-set.wait (memory $events)))
  (core module $main
    (import "host" "wait-for" (func $wait-for (param i64) (result i32)))
    (import "host" "set" (func $set (result i32)))
    (import "host" "join" (func $join (param i32 i32)))
    (import "host" "wait" (func $wait (param i32 i32) (result i32)))
    (func (export "old") (result i32) unreachable)
    (func (export "new") (result i32) (local $task i32) (local $set i32)
      ;; Below the state, in four bits, stands the task's number.
      (local.set $task (i32.shr_u (call $wait-for (i64.const 1000000)) (i32.const 4)))
      (if (local.get $task)
        (then
          (local.set $set (call $set))
          (call $join (local.get $task) (local.get $set))
          (drop (call $wait (local.get $set) (i32.const 0)))))
      (i32.const 1)))
  (core instance $main (instantiate $main (with "host" (instance
    (export "wait-for" (func $wait-for))
    (export "set" (func $set))
    (export "join" (func $join))
    (export "wait" (func $wait))))))
  (func $old (result (result)) (canon lift (core func $main "old")))
  (func $new async (result (result)) (canon lift (core func $main "new")))
  (instance $of-0-2 (export "run" (func $old)))
  (instance $of-0-3 (export "run" (func $new)))
  (export "wasi:cli/run@0.2.0" (instance $of-0-2))
  (export "wasi:cli/run@0.3.0" (instance $of-0-3)))
