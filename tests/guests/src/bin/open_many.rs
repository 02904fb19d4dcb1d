//! open_many PATH COUNT: opens PATH (a file or a directory) COUNT times, closes nothing, and prints
//! `opened N`, and where one open was refused `opened N, then ERRNO` with exit code 1.

use sandhog_test_guests::{arg, errno, number};
use std::process::ExitCode;

fn main() -> ExitCode {
    let (path, count) = (arg(1, "PATH"), number(2, "COUNT"));
    let mut open = Vec::new();
    for _ in 0..count {
        match std::fs::File::open(&path) {
            Ok(file) => open.push(file),
            Err(error) => {
                println!("opened {}, then {}", open.len(), errno(&error));
                return ExitCode::FAILURE;
            }
        }
    }
    println!("opened {}", open.len());
    ExitCode::SUCCESS
}
