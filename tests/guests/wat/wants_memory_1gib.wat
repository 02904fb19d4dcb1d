;; Needs 1 GiB of memory before its first instruction.
(module
  (memory (export "memory") 16384)
  (func (export "_start")))
