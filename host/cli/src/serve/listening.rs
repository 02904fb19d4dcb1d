//! The sockets: those that systemd passes, or one that is bound here.

use crate::args::ServeArgs;
use crate::embedded::Failure;
pub(super) use crate::listeners::passed;
use crate::listeners::refused;
use crate::render::problem::Problem;
use sandhog_serve::listener::Listener;

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
