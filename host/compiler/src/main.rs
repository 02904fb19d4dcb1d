//! `sandhog-compiler`: a process that `sandhog` starts and seals, and that compiles modules.

use sandhog_sys::process::SingleThreaded;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(token) = SingleThreaded::claim() else { return ExitCode::FAILURE };
    if sandhog_zygote::is_wanted() {
        sandhog_zygote::main::<sandhog_compiler::Compilations>(token, sandhog_build_id::ID);
    }
    eprintln!("sandhog-compiler: error: this is a part of sandhog, which starts it: see sandhog --help");
    ExitCode::FAILURE
}
