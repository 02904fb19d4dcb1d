;; A reactor whose program has no name, as those of ITK: its exit code tells whether it was initialized once, and first.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (global $initialized (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $initialized (i32.add (global.get $initialized) (i32.const 7))))
  (func (export "") (call $exit (global.get $initialized)))
  (func (export "_start") unreachable))
