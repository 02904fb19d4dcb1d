//! list_dir PATH: prints the names in a directory, sorted, or `refused(ERRNO)` with exit code 1.

use sandhog_test_guests::{arg, errno};
use std::process::ExitCode;

fn names(path: &str) -> std::io::Result<Vec<String>> {
    let mut names = std::fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn main() -> ExitCode {
    match names(&arg(1, "PATH")) {
        Ok(names) => {
            names.iter().for_each(|name| println!("{name}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("refused({})", errno(&error));
            ExitCode::FAILURE
        }
    }
}
