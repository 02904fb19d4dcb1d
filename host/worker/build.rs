//! See `sandhog_link`.

fn main() {
    sandhog_link::forked_executables();
}
