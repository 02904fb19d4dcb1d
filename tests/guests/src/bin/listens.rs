//! Listens for being asked to stop, and then ends; with the argument `deaf` it listens and goes on.

use sandhog::process;
use std::time::Duration;

fn main() {
    let deaf = std::env::args().nth(1).is_some_and(|word| word == "deaf");
    assert!(!process::stopping());
    println!("listening");
    // By the way on which it has said that it listens: who hears this has heard that.
    sandhog::info!("it is known that it listens");
    while !process::stopping_within(Duration::from_secs(3600)) || deaf {}
    println!("asked, still {}", process::stopping());
}
