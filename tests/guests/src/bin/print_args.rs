//! Prints its arguments, one on a line, its own name first.

fn main() {
    for argument in std::env::args() {
        println!("{argument}");
    }
}
