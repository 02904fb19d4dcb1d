;; Grows a table by a million entries at a time, each of them filled, until the host says no.
;; Then it exits with 0.
(module
  (memory (export "memory") 1)
  (table $table 1 funcref)
  (func $entry)
  (elem declare func $entry)
  (func (export "_start")
    (loop $again
      (br_if $again
        (i32.ne (table.grow $table (ref.func $entry) (i32.const 1000000)) (i32.const -1))))))
