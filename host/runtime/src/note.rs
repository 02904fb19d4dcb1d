//! The messages to the driver of an attempt. This file is below its senders and its receiver.

use super::assigned::Assigned;
use super::output;
use rustix::io::Errno;
use sandhog_protocol::objects::ToKeeper;
use sandhog_protocol::plan::Kind;
use sandhog_protocol::request::Reply;
use sandhog_protocol::verdict::StopReason;
use sandhog_supervisor::attempt::Event;
use sandhog_supervisor::outcome::Cause;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Messages that may wait for one attempt. Its spawner sends five at most, its streams one each, each of its children one.
pub const NOTES: usize = 64;

/// What reaches the driver.
pub enum Note {
    Event(Event),
    /// Nothing more is passed on of an output stream; its reading end comes back.
    Output(output::End, OwnedFd),
    /// Its stdin could not be read; the pipe ends when the worker knows, and the last of those who read it.
    InputFailed(Errno, Option<Held>),
    /// Its worker stands still from now on, or goes on.
    Paused(bool),
    /// Something that the worker is to be told, with its descriptors.
    Tell(Reply, Vec<OwnedFd>),
    /// Something that a keeper of objects is to be told, with its descriptors.
    Keep(ToKeeper, Vec<OwnedFd>),
    /// What it is to do, where it waits for that.
    Assigned(Box<Assigned>),
    /// The compiled module, or why there is none.
    Module(Result<(OwnedFd, Kind), Cause>),
}

/// Where notes go.
pub type Sender = mpsc::Sender<Note>;

/// Our end of a pipe whose reader is to hear of a failure before it sees the pipe's end.
pub type Held = Arc<OwnedFd>;

impl Note {
    /// What the worker asked for is not our protocol.
    pub fn breach(what: String) -> Self {
        Self::Event(Event::ChannelBroken(what))
    }

    /// It is to stop.
    pub fn stop(reason: StopReason) -> Self {
        Self::Event(Event::Stop(reason))
    }
}
