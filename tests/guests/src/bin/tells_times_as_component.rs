//! tells_times_as_component PATH: the same as tells_times, in a component.

fn main() {
    // An import of Sandhog's makes a component of it.
    sandhog::process::ready();
    sandhog_test_guests::tell_times();
}
