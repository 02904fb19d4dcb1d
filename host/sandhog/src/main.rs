//! Sandhog: runs WebAssembly jobs that nobody need trust, each sealed in a process of its own.

use sandhog_sys::process::SingleThreaded;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(token) = SingleThreaded::claim() else { return ExitCode::FAILURE };
    sandhog_cli::main(token, sandhog_build_id::ID, sandhog_build_id::VERSION)
}
