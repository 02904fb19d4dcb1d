//! Panics with a message.

fn main() {
    panic!("on purpose");
}
