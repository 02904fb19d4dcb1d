//! each_object_as_component: the same as each_object, in a component.

#[path = "../each_object.rs"]
mod each_object;

fn main() {
    // An import of another interface makes a component of it.
    sandhog::process::ready();
    each_object::main();
}
