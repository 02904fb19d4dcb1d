//! tells_times PATH: prints each name in a directory and when its content changed, in seconds since 1970, sorted.

fn main() {
    sandhog_test_guests::tell_times();
}
