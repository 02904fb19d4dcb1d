;; A component whose `handle` is not the one of sandhog:job.
(component
  (core module $main (func (export "handle") (param i32) (result i32) (local.get 0)))
  (core instance $main (instantiate $main))
  (func (export "handle") (param "task" u32) (result u32) (canon lift (core func $main "handle"))))
