//! spew_stderr [BYTES]: what `spew` does, to stderr.

fn main() {
    sandhog_test_guests::spew(2);
}
