//! The command line: parse, ask, render, exit code.
//!
//! Must not: know how a job is run. A verb asks the coordinator, or the daemon that has one, and shows what came of it.

pub mod args;
mod ask;
mod background;
pub mod build;
pub mod check;
pub mod client;
pub mod completions;
mod concerns;
mod coredump_file;
pub mod daemon;
pub mod doctor;
mod down;
pub mod embedded;
mod follow;
mod here;
pub mod inspect;
mod interrupt;
pub mod ipc;
mod job_control;
mod look;
pub mod manifest_file;
mod monit;
pub mod new;
pub mod render;
pub mod run;
mod schema;
mod silence;
mod start;
mod startup;
mod surroundings;
mod until_ready;
mod up;
pub mod verdict_file;
pub mod whole_file;
mod words;

use args::Command;
use sandhog_daemon::fleet::Verb;
use sandhog_runtime::own_limits;
use sandhog_sys::process::SingleThreaded;
use std::process::ExitCode;

/// Some of it went well, and some did not.
const NOT_ALL: u8 = 1;

/// Does what the arguments ask and says how that went.
/// `build`: the id of the build that this executable belongs to; `version`: what `--version` says.
pub fn main(token: SingleThreaded, build: &'static str, version: &'static str) -> ExitCode {
    sandhog_dirs::executables::belong_to(build);
    surroundings::settle(&token);
    // Before anything deeper: a stack that is too small ends a process without a word.
    own_limits::raise();
    if let Err(error) = own_limits::check_own() {
        render::report(&render::problem::Problem::of(&error));
        return ExitCode::from(sandhog_protocol::exit_code::REFUSED);
    }
    let code = match args::parse(std::env::args_os(), version) {
        Err(stop) => render::stop(&stop),
        Ok(cli) => carry_out(token, cli.command),
    };
    ExitCode::from(code)
}

fn carry_out(token: SingleThreaded, command: Command) -> u8 {
    match command {
        Command::Run(args) => run::run(token, *args),
        Command::Up(args) => up::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Start(args) => start::run(*args),
        Command::Stop(args) => ask::run(Verb::Stop, args),
        Command::Restart(args) => ask::run(Verb::Restart, args),
        Command::Reload(args) => ask::run(Verb::Reload, args),
        Command::Delete(args) => ask::run(Verb::Delete, args),
        Command::Scale(args) => ask::scale(args),
        Command::Ps(args) => look::ps(&args),
        Command::Show(args) => look::show(&args),
        Command::Logs(args) => look::logs(&args),
        Command::Events(args) => look::events(&args),
        Command::Monit(args) => monit::run(&args),
        Command::Send(args) => ask::send(args),
        Command::Signal(args) => ask::signal(args),
        Command::Check(args) => check::run(&args),
        Command::Schema(args) => schema::run(args),
        Command::Daemon(args) => daemon::run(token, args),
        Command::Startup(args) => startup::run(args),
        Command::Doctor(args) => doctor::run(token, args),
        Command::Build(args) => build::run(token, args),
        Command::New(args) => new::run(&args),
        Command::Inspect(args) => inspect::run(token, args),
        Command::Completions(args) => render::answer(&completions::script(args.shell)),
        Command::Help(args) => render::help(args),
    }
}

/// The exit code of a verb; where it came to nothing, says why.
fn said(answer: Result<u8, embedded::Failure>) -> u8 {
    answer.unwrap_or_else(|failure| {
        render::report(&failure.problem);
        failure.code
    })
}
