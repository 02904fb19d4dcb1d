//! grow_memory MIB: takes MIB MiB, one at a time, writes into each of their pages and prints how
//! many it has. Where one is refused it dies as every Rust program does: by a trap, with a message.

use std::hint::black_box;

const MIB: usize = 1 << 20;

fn main() {
    let wanted = sandhog_test_guests::number(1, "MIB");
    let mut taken = Vec::new();
    for count in 1..=wanted {
        let piece = vec![1u8; MIB];
        taken.push(black_box(piece));
        println!("{count}");
    }
}
