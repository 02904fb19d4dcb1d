//! The command line: parse, ask, render, exit code.
//!
//! Must not: know how a job is run. A verb asks the coordinator and shows what came of it.

pub(crate) mod args;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod embedded;
pub(crate) mod inspect;
pub(crate) mod ipc;
pub(crate) mod new;
pub(crate) mod render;
pub(crate) mod run;
pub(crate) mod verdict_file;
pub(crate) mod whole_file;

use crate::sys::process::SingleThreaded;
use args::Command;
use std::process::ExitCode;

/// Does what the arguments ask and says how that went.
pub(crate) fn main(token: SingleThreaded) -> ExitCode {
    let code = match args::parse(std::env::args_os()) {
        Err(stop) => render::stop(&stop),
        Ok(cli) => match cli.command {
            Command::Run(args) => run::run(token, *args),
            Command::Doctor(args) => doctor::run(token, args),
            Command::Build(args) => build::run(token, args),
            Command::New(args) => new::run(&args),
            Command::Inspect(args) => inspect::run(token, args),
            Command::Completions(args) => render::answer(&completions::script(args.shell)),
            Command::Help(args) => render::help(args),
        },
    };
    ExitCode::from(code)
}
