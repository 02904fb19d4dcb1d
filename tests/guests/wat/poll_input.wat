;; Waits for 300 ms and for input together, says which of them came, and ends when it was the input.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; Two subscriptions: a clock with userdata 1, and reading of fd 0 with userdata 2.
  (data (i32.const 0) "\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00")
  (data (i32.const 24) "\00\a3\e1\11\00\00\00\00")
  (data (i32.const 48) "\02\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (data (i32.const 512) "time\0a")
  (data (i32.const 528) "input\0a")
  (func $say (param $at i32) (param $length i32)
    (i32.store (i32.const 480) (local.get $at))
    (i32.store (i32.const 484) (local.get $length))
    (drop (call $write (i32.const 1) (i32.const 480) (i32.const 1) (i32.const 488))))
  (func (export "_start")
    (loop $again
      (drop (call $poll (i32.const 0) (i32.const 128) (i32.const 2) (i32.const 256)))
      (if (i64.eq (i64.load (i32.const 128)) (i64.const 1))
        (then (call $say (i32.const 512) (i32.const 5)) (br $again))
        (else (call $say (i32.const 528) (i32.const 6)))))))
