//! times_objects WHAT: what an operation on a shared object costs, in nanoseconds; a core module that is linked as it is.

fn main() {
    sandhog_test_guests::costs::main();
}
