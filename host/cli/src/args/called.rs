//! The arguments of the verb that was called, and no others: a description of all verbs with their flags takes a third of a
//! millisecond to build, which every start would pay.
//!
//! Must not: answer anything but a call that is right. Help, mistakes and names for short are for the whole description, which
//! says the same of a right call: `what_one_verb_takes_is_what_the_whole_takes`.

use super::commands::{Command, HelpArgs};
use clap::Args;
use std::ffi::OsString;

/// The command; none where it is not as plain as that.
pub(super) fn command(args: &[OsString]) -> Option<Command> {
    let (name, rest) = args.get(1..)?.split_first()?;
    match name.to_str()? {
        "run" => parsed(rest).map(Box::new).map(Command::Run),
        "map" => parsed(rest).map(Box::new).map(Command::Map),
        "serve" => parsed(rest).map(Box::new).map(Command::Serve),
        "pool" => parsed(rest).map(Box::new).map(Command::Pool),
        "up" => parsed(rest).map(Command::Up),
        "down" => parsed(rest).map(Command::Down),
        "start" => parsed(rest).map(Box::new).map(Command::Start),
        "stop" => parsed(rest).map(Command::Stop),
        "restart" => parsed(rest).map(Command::Restart),
        "reload" => parsed(rest).map(Command::Reload),
        "delete" => parsed(rest).map(Command::Delete),
        "scale" => parsed(rest).map(Command::Scale),
        "ps" => parsed(rest).map(Command::Ps),
        "objects" => parsed(rest).map(Command::Objects),
        "show" => parsed(rest).map(Command::Show),
        "logs" => parsed(rest).map(Command::Logs),
        "events" => parsed(rest).map(Command::Events),
        "monit" => parsed(rest).map(Command::Monit),
        "send" => parsed(rest).map(Command::Send),
        "signal" => parsed(rest).map(Command::Signal),
        "check" => parsed(rest).map(Command::Check),
        "schema" => parsed(rest).map(Command::Schema),
        "daemon" => parsed(rest).map(Command::Daemon),
        "startup" => parsed(rest).map(Command::Startup),
        "build" => parsed(rest).map(Command::Build),
        "inspect" => parsed(rest).map(Command::Inspect),
        "new" => parsed(rest).map(Command::New),
        "doctor" => parsed(rest).map(Command::Doctor),
        "completions" => parsed(rest).map(Command::Completions),
        "man" => parsed(rest).map(Command::Man),
        "help" => parsed::<HelpArgs>(rest).map(Command::Help),
        _ => None,
    }
}

fn parsed<A: Args>(rest: &[OsString]) -> Option<A> {
    let command = A::augment_args(clap::Command::new("sandhog").no_binary_name(true));
    command.try_get_matches_from(rest).and_then(|found| A::from_arg_matches(&found)).ok()
}
