;; Writes "x" to stdout and to stderr; its exit code is 16 times the first one's error number plus the second one's.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "x")
  (func $write (param $to i32) (result i32)
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 1))
    (call $fd_write (local.get $to) (i32.const 0) (i32.const 1) (i32.const 16)))
  (func (export "_start")
    (call $proc_exit (i32.add (i32.mul (i32.const 16) (call $write (i32.const 1))) (call $write (i32.const 2))))))
