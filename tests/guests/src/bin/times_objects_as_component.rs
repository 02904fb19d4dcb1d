//! times_objects_as_component WHAT: the same as times_objects, in a component.

fn main() {
    // An import of another interface makes a component of it.
    sandhog::process::ready();
    sandhog_test_guests::costs::main();
}
