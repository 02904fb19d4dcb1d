//! From the arguments to the verb that carries them out.
//!
//! Must not: do a verb's work, or be known to one.

use super::args::{self, Command};
use super::{
    ask, build, check, completions, daemon, doctor, down, inspect, look, man, map, monit, new, pool, render, run,
    schema, serve, startup, surroundings, trace, up,
};
use sandhog_daemon::fleet::Verb;
use sandhog_runtime::own_limits;
use sandhog_runtime::privilege::Start;
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
    // The spawner of a run begins while the arguments are still read. It ends where they are wrong, or ask for something else.
    let is_run = std::env::args_os().nth(1).is_some_and(|verb| verb == "run");
    let start = if is_run { Start::early(token) } else { Start::from(token) };
    let code = match args::parse(std::env::args_os(), version) {
        Err(stop) => {
            drop(start);
            render::stop(&stop)
        }
        Ok(cli) => {
            stamps::note("arguments are read");
            carry_out(start, cli.command)
        }
    };
    ExitCode::from(code)
}

fn carry_out(start: Start, command: Command) -> u8 {
    match command {
        Command::Run(args) => run::run(start, *args),
        Command::Map(args) => map::run(start.into_token(), *args),
        Command::Pool(args) => pool::run(start.into_token(), &args),
        Command::Serve(args) => serve::run(start.into_token(), &args),
        Command::Up(args) => up::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Start(args) => super::start::run(*args),
        Command::Stop(args) => ask::run(Verb::Stop, args),
        Command::Restart(args) => ask::run(Verb::Restart, args),
        Command::Reload(args) => ask::run(Verb::Reload, args),
        Command::Delete(args) => ask::run(Verb::Delete, args),
        Command::Scale(args) => ask::scale(args),
        Command::Ps(args) => look::ps(&args),
        Command::Objects(args) => look::objects(&args),
        Command::Show(args) => look::show(&args),
        Command::Logs(args) => look::logs(&args),
        Command::Events(args) => look::events(&args),
        Command::Monit(args) => monit::run(&args),
        Command::Send(args) => ask::send(args),
        Command::Signal(args) => ask::signal(args),
        Command::Check(args) => check::run(&args),
        Command::Schema(args) => schema::run(args),
        Command::Daemon(args) => daemon::run(start.into_token(), args),
        Command::Startup(args) => startup::run(args),
        Command::Doctor(args) => doctor::run(start.into_token(), args),
        Command::Build(args) => build::run(start.into_token(), args),
        Command::New(args) => new::run(&args),
        Command::Inspect(args) => inspect::run(start.into_token(), args),
        Command::Completions(args) => render::answer(&completions::script(args.shell)),
        Command::Man(args) => man::run(&args),
        Command::Help(args) => render::help(args),
    }
}
