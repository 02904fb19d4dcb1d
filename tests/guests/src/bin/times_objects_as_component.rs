//! times_objects_as_component WHAT: the same as times_objects, in a component.

#[path = "../costs.rs"]
mod costs;

fn main() {
    // An import of another interface makes a component of it.
    sandhog::process::ready();
    costs::main();
}
