//! times_objects WHAT: what an operation on a shared object costs, in nanoseconds; a core module that is linked as it is.

#[path = "../costs.rs"]
mod costs;

fn main() {
    costs::main();
}
