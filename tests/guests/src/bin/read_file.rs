//! read_file PATH: prints the file's content, or `refused(ERRNO)` with exit code 1.

use sandhog_test_guests::{arg, errno, raw_stream};
use std::process::ExitCode;

fn main() -> ExitCode {
    let copied = std::fs::File::open(arg(1, "PATH"))
        .and_then(|mut file| std::io::copy(&mut file, &mut *raw_stream(1)));
    match copied {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            println!("refused({})", errno(&error));
            ExitCode::FAILURE
        }
    }
}
