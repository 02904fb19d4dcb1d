//! The parts of an attempt.

use super::feed::Feed;
use super::output::{Manner, Meter, Sink};
use sandhog_protocol::objects::FromKeeper;
use sandhog_protocol::plan::{Work, WorkerPlan, ZygotePlan};
use sandhog_protocol::request::Request;
use sandhog_protocol::spawn::ZygoteId;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// All that one attempt needs.
pub struct Order {
    pub zygote: Zygote,
    pub worker: WorkerPlan,
    pub begin: Begin,
    /// What the worker is given; none once it has it.
    pub ends: Option<Ends>,
    /// TCP sockets that listen, for it to accept clients from.
    pub listeners: Vec<Arc<OwnedFd>>,
    /// Its granted directories, in the order of the plan.
    pub directories: Vec<Arc<OwnedFd>>,
    /// Where its stdin comes from, if anything comes.
    pub feed: Option<Feed>,
    /// What is moved between the other ends of its output streams and the world.
    pub pumps: Vec<Pump>,
    /// When to end a worker that does not end by its own deadline, from `go`.
    pub hard_deadline: Option<Duration>,
    /// Where what the guest asks for goes; where it is none, asking is a breach.
    pub requests: Option<mpsc::Sender<Request>>,
    /// Where what a keeper of objects says goes; where it is none, saying so is a breach.
    pub kept: Option<mpsc::Sender<FromKeeper>>,
    /// How long it may take to stop once it was asked.
    pub grace: Duration,
    /// Is called when the guest begins.
    pub began: Option<Box<dyn FnOnce() + Send>>,
}

/// Where its worker comes from.
pub enum Zygote {
    /// From one of its own, which is to be started.
    Own(ZygotePlan),
    /// From one that is there and serves others as well.
    Shared(ZygoteId),
}

/// When it begins, and with what.
pub enum Begin {
    /// As soon as it is sealed.
    AtOnce(Work),
    /// Once it is assigned a task ([`super::assigned::Assigned`]).
    Assigned {
        /// Is called when it is sealed and waits.
        ready: Box<dyn FnOnce() + Send>,
    },
}

/// A worker's ends of what it is joined to the world by.
pub struct Ends {
    /// Stdin, stdout, stderr.
    pub stdio: [OwnedFd; 3],
    /// Its connection to its parent, where it has one.
    pub connection: Option<OwnedFd>,
    /// The file for its core dump, where one is wanted.
    pub coredump: Option<OwnedFd>,
}

/// One output stream between a worker and the world.
pub struct Pump {
    pub from: OwnedFd,
    pub to: To,
    pub meter: Meter,
}

/// Where a stream leads to.
pub enum To {
    Stream {
        fd: OwnedFd,
        manner: Manner,
    },
    /// To whoever keeps it.
    Sink(Box<dyn Sink>),
}
