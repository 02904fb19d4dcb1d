//! write_file PATH CONTENT: makes the file with that content and prints `written`,
//! or prints `refused(ERRNO)` with exit code 1.

use sandhog_test_guests::{arg, errno};
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::fs::write(arg(1, "PATH"), arg(2, "CONTENT")) {
        Ok(()) => {
            println!("written");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("refused({})", errno(&error));
            ExitCode::FAILURE
        }
    }
}
