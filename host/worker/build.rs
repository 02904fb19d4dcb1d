//! See `sandhog_link`.

fn main() {
    sandhog_link::executables();
}
