//! `sandhog`, with `doctor --probe lie:…` and `--probe plan:…`: a guest's place is taken by native code that lies, and a
//! coordinator asks its spawner for what none of ours asks for.

use sandhog_sys::process::SingleThreaded;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(token) = SingleThreaded::claim() else { return ExitCode::FAILURE };
    sandhog_cli::main(token, sandhog_build_id::ID, sandhog_build_id::VERSION)
}
