;; What a toolchain makes of a program with threads: a shared memory from the outside, a spawner of
;; threads, and the entry that each thread would start at.
(module
  (import "env" "memory" (memory 1 4 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (func (export "wasi_thread_start") (param i32 i32))
  (func (export "_start") (drop (call $spawn (i32.const 0)))))
