//! What whoever starts a dispatcher says to it, and hears of it.
//!
//! Must not: do anything.

use sandhog_protocol::http::Request;
use sandhog_supervisor::balance::Config;
use std::time::Duration;

/// The bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DispatchSettings {
    /// Connections that one worker has at the same time.
    pub connections_per_worker: u32,
    /// New connections of one worker at the same time: the requests that it runs and lets wait. One is new until it has been
    /// answered, at most for [`sandhog_supervisor::balance::NEW`].
    pub requests_per_worker: u32,
    /// Connections that one worker is ever given: 1 where each has a process of its own. None: no bound.
    pub connections_in_all: Option<u64>,
    /// Connections that may wait for a worker.
    pub waiting_max: usize,
    /// How long one may wait.
    pub waiting_for: Duration,
}

impl From<DispatchSettings> for Config {
    fn from(settings: DispatchSettings) -> Self {
        let DispatchSettings {
            connections_per_worker: connections,
            requests_per_worker: at_once,
            connections_in_all: in_all,
            waiting_max,
            waiting_for,
        } = settings;
        Self { connections, at_once, in_all, waiting_max, waiting_for }
    }
}

/// Hears of what happens. Called by the one task: nothing of it may wait.
pub trait Told: Send + Sync {
    /// A request has ended, as its worker says. `attempt`: that of the worker. `peer`: the client's address with its port.
    fn request(&self, _attempt: &str, _request: &Request, _peer: &str) {}

    /// The worker broke the rules and is to be killed: `sandhog_runtime::stop::StopRequest::Breach(what)`. A crew does that.
    fn breach(&self, _attempt: &str, _what: &'static str) {}

    /// The worker takes no more connections and is about to end by itself; another one is to take its place. A crew sees to that.
    fn retires(&self, _attempt: &str) {}

    /// Something is wrong with this process or machine that people should know of, such as that it has no descriptors left. A
    /// sentence; not more than one a minute from each listener.
    fn problem(&self, _text: &str) {}
}

/// How a worker stands with whoever gives it connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Joined,
    Accepts,
    /// It takes no more, by its own will.
    Retires,
    /// It broke the rules: what it sent.
    Broke(&'static str),
}
