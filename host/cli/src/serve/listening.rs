//! The sockets: those that systemd passes, or one that is bound here.
//!
//! Must not: open anything before those that were passed are taken over: they are known by their numbers alone.

use crate::args::ServeArgs;
use crate::embedded::Failure;
use crate::render::problem::Problem;
use crate::run::refusal;
use sandhog_protocol::exit_code;
use sandhog_serve::listener::{Listener, inherited};
use sandhog_sys::process;

/// Those that were passed: `LISTEN_FDS` of sd_listen_fds(3).
pub(super) fn passed() -> Result<Vec<Listener>, Failure> {
    let numbers = inherited::of_this_process().map_err(|error| refusal(&error))?;
    let taken = numbers.map(|number| match process::inherited(number) {
        Some(fd) => Listener::inherited(fd).map_err(|error| refusal(&error)),
        None => Err(refused(Problem::new(format!("LISTEN_FDS: the descriptor {number} is not open")))),
    });
    taken.collect()
}

/// Where to listen is said once.
pub(super) fn check(args: &ServeArgs, passed: &[Listener]) -> Result<(), Failure> {
    match (&args.job.spec.listen, passed) {
        (Some(_), [_, ..]) => {
            let what = "--listen: systemd has passed a socket already (LISTEN_FDS)";
            Err(refused(Problem::new(what).with_hint("leave --listen out, or the unit of the socket")))
        }
        (None, []) => Err(nowhere()),
        (Some(_), []) | (None, [_, ..]) => Ok(()),
    }
}

pub(super) fn nowhere() -> Failure {
    let problem = Problem::new("there is no address to listen on");
    refused(problem.with_hint("write --listen 127.0.0.1:8080, or let systemd pass a socket"))
}

fn refused(problem: Problem) -> Failure {
    Failure { problem, code: exit_code::REFUSED }
}
