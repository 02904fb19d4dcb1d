//! Sandhog: runs WebAssembly jobs that nobody need trust, each sealed in a process of its own.

mod cli;
mod config;
mod daemon;
mod dirs;
mod doctor;
mod exit_code;
mod ipc;
mod runtime;
mod sandbox;
mod spawn;
mod supervisor;
mod sys;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(token) = sys::process::SingleThreaded::claim() else { return ExitCode::FAILURE };
    if spawn::zygote::is_wanted(std::env::args_os().next().as_deref()) {
        spawn::zygote::main(token);
    }
    cli::main(token)
}
