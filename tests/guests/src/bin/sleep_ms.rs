//! sleep_ms MILLISECONDS: sleeps, then prints `awake`.

use std::time::Duration;

fn main() {
    let milliseconds = sandhog_test_guests::number(1, "MILLISECONDS");
    std::thread::sleep(Duration::from_millis(milliseconds));
    println!("awake");
}
