//! From the arguments to the verb that carries them out.
//!
//! Must not: do a verb's work, or be known to one.

use super::args::{self, Command};
use super::{
    ask, build, check, completions, daemon, doctor, down, inspect, look, map, monit, new, pool, render, run, schema,
    start, startup, surroundings, trace, up,
};
use sandhog_daemon::fleet::Verb;
use sandhog_runtime::own_limits;
use sandhog_sys::process::SingleThreaded;
use sandhog_sys::stamps;
use std::process::ExitCode;

/// Does what the arguments ask and says how that went.
/// `build`: the id of the build that this executable belongs to; `version`: what `--version` says.
pub fn main(token: SingleThreaded, build: &'static str, version: &'static str) -> ExitCode {
    trace::begin();
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
        Ok(cli) => {
            stamps::note("arguments are read");
            carry_out(token, cli.command)
        }
    };
    ExitCode::from(code)
}

fn carry_out(token: SingleThreaded, command: Command) -> u8 {
    match command {
        Command::Run(args) => run::run(token, *args),
        Command::Map(args) => map::run(token, *args),
        Command::Pool(args) => pool::run(token, &args),
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
