//! Sockets of a job that accepts clients itself, in the foreground: those that systemd passes, or others that are bound here,
//! before privilege goes.
//!
//! Must not: accept anything.

use super::embedded::Failure;
use super::render::problem::Problem;
use sandhog_protocol::exit_code;
use sandhog_serve::listener::{Listener, inherited};
use sandhog_spec::net::Net;
use sandhog_sys::descriptors;
use std::net::SocketAddr;

/// One for each address that the job is granted, in their order. Where systemd has passed sockets (`LISTEN_FDS`), they take the
/// place of those with the same address. A job without a grant has nothing to do with any that were passed.
///
/// # Errors
/// Why a job can't listen there, and what to do; a socket that was passed and is granted to nobody.
pub(super) fn open(net: &Net) -> Result<Vec<Listener>, Failure> {
    if net.listen.is_empty() {
        return Ok(Vec::new());
    }
    let mut passed = passed()?;
    let mut take = |address: &SocketAddr| {
        let place = passed.iter().position(|listener| listener.address() == *address)?;
        Some(passed.remove(place))
    };
    let taken: Vec<_> = net.listen.iter().map(|address| (*address, take(address))).collect();
    if let Some(surplus) = passed.first() {
        let what = format!("LISTEN_FDS: the job may not use the socket at {}", surplus.address());
        let hint = format!("grant it: --net listen:{}", surplus.address());
        return Err(refused(Problem::new(what).with_hint(hint)));
    }
    let bound = |(address, listener): (SocketAddr, Option<Listener>)| match listener {
        Some(listener) => Ok(listener),
        None => Listener::bind(address).map_err(|error| refusal(&error)),
    };
    taken.into_iter().map(bound).collect()
}

/// Those that were passed: `LISTEN_FDS` of sd_listen_fds(3).
pub(super) fn passed() -> Result<Vec<Listener>, Failure> {
    let numbers = inherited::of_this_process().map_err(|error| refusal(&error))?;
    let taken = numbers.map(|number| match descriptors::inherited(number) {
        Some(fd) => Listener::inherited(fd).map_err(|error| refusal(&error)),
        None => Err(refused(Problem::new(format!("LISTEN_FDS: the descriptor {number} is not open")))),
    });
    taken.collect()
}

fn refusal(error: &(dyn std::error::Error + 'static)) -> Failure {
    refused(Problem::of(error))
}

pub(super) fn refused(problem: Problem) -> Failure {
    Failure { problem, code: exit_code::REFUSED }
}
