//! removes_tree PATH: removes a directory and all that is in it, as std does.

use sandhog_test_guests::{arg, errno};
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::fs::remove_dir_all(arg(1, "PATH")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("refused({})", errno(&error));
            ExitCode::FAILURE
        }
    }
}
