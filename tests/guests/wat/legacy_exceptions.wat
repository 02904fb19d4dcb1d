;; The exception instructions that were replaced before they became a standard, as older toolchains
;; still emit them. Written out in bytes, for the text format has moved on.
(module binary
  "\00asm" "\01\00\00\00"
  "\01\04\01" "\60\00\00"                       ;; types: one, (func)
  "\03\02\01\00"                                ;; functions: one, of type 0
  "\05\03\01\00\01"                             ;; memory: one of one page
  "\0d\03\01\00\00"                             ;; tags: one, of type 0
  "\07\13\02" "\06memory\02\00" "\06_start\00\00" ;; exports
  "\0a\0a\01\08\00"                             ;; code: one body, no locals
  "\06\40"                                      ;;   try
  "\08\00"                                      ;;     throw 0
  "\19"                                         ;;   catch_all
  "\0b"                                         ;;   end
  "\0b"                                         ;; end
)
