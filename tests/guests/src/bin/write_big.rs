//! write_big PATH MIB: writes a file of MIB MiB and prints `wrote BYTES`, and where a write was
//! refused `wrote BYTES, then ERRNO` with exit code 1.

use sandhog_test_guests::{arg, errno, number};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (path, mib) = (arg(1, "PATH"), number(2, "MIB"));
    let (piece, mut written, total) = (vec![b'x'; 64 << 10], 0, mib << 20);
    let mut file = match std::fs::File::create(path) {
        Ok(file) => file,
        Err(error) => return ended(0, &error),
    };
    while written < total {
        // `write`, not `write_all`: the last one before a limit may be a part.
        match file.write(&piece) {
            Ok(bytes) => written += bytes as u64,
            Err(error) => return ended(written, &error),
        }
    }
    println!("wrote {written}");
    ExitCode::SUCCESS
}

fn ended(written: u64, error: &std::io::Error) -> ExitCode {
    println!("wrote {written}, then {}", errno(error));
    ExitCode::FAILURE
}
