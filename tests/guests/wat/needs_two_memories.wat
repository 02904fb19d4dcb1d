;; Two memories, each grown a MiB at a time until the host says no. It prints how many MiB they hold
;; together, as three digits.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory $first (export "memory") 16)
  (memory $second 16)
  (data (memory $first) (i32.const 0) "\08\00\00\00\04\00\00\00???\n")

  (func $digit (param $address i32) (param $value i32)
    (i32.store8 (local.get $address)
      (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10)))))

  (func (export "_start") (local $mib i32)
    (loop $grow_first
      (br_if $grow_first
        (i32.ne (memory.grow $first (i32.const 16)) (i32.const -1))))
    (loop $grow_second
      (br_if $grow_second
        (i32.ne (memory.grow $second (i32.const 16)) (i32.const -1))))
    (local.set $mib
      (i32.div_u (i32.add (memory.size $first) (memory.size $second)) (i32.const 16)))
    (call $digit (i32.const 8) (i32.div_u (local.get $mib) (i32.const 100)))
    (call $digit (i32.const 9) (i32.div_u (local.get $mib) (i32.const 10)))
    (call $digit (i32.const 10) (local.get $mib))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))
