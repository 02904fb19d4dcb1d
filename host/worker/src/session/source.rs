//! Things that a guest can wait for, and how long it does.
//!
//! Must not: wait.

use super::connection::Connection;
use super::error::Error;
use rustix::event::{PollFlags, Timespec};
use sandhog_protocol::request::ChildId;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Forever,
    /// Not at all.
    Now,
    At(Instant),
}

impl Until {
    /// From a guest's timeout in nanoseconds, from here on. One that no clock reaches is for ever.
    pub(crate) fn of(timeout: Option<u64>) -> Self {
        match timeout {
            None => Self::Forever,
            Some(0) => Self::Now,
            Some(nanoseconds) => {
                Instant::now().checked_add(Duration::from_nanos(nanoseconds)).map_or(Self::Forever, Self::At)
            }
        }
    }

    /// No longer than this from here on.
    pub(super) fn at_most(self, duration: Duration) -> Self {
        let end = Instant::now() + duration;
        match self {
            Self::At(time) if time < end => self,
            Self::Forever | Self::Now | Self::At(_) => Self::At(end),
        }
    }

    /// # Errors
    /// What to tell whoever can wait no longer.
    pub(super) fn go_on(self) -> Result<(), Error> {
        match self {
            Self::Now => Err(Error::WouldBlock),
            Self::At(time) if Instant::now() >= time => Err(Error::TimedOut),
            Self::Forever | Self::At(_) => Ok(()),
        }
    }

    /// For poll(2).
    pub(super) fn left(self) -> Option<Timespec> {
        let left = match self {
            Self::Forever => return None,
            Self::Now => Duration::ZERO,
            Self::At(time) => time.saturating_duration_since(Instant::now()),
        };
        Some(Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        })
    }
}

/// Something that can be waited for.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// A message has come, or the other end has gone.
    Message(&'a Connection),
    /// There is room for a message, or for a piece of one, or the other end has gone. Where messages go in pieces, what comes
    /// meanwhile is taken in, up to a message: two that send to each other do not wait for ever.
    Room(&'a Connection),
    /// There are bytes, or their end.
    Readable(BorrowedFd<'a>),
    /// There is room for bytes, or nobody who reads them.
    Writable(BorrowedFd<'a>),
    /// The child has ended.
    Ended(ChildId),
    /// The guest has been asked to stop. Counts as listening for that.
    Stopping,
}

impl Source<'_> {
    /// Whether the coordinator says when it is due.
    pub(crate) const fn is_told(&self) -> bool {
        match self {
            Self::Ended(_) | Self::Stopping => true,
            Self::Message(_) | Self::Room(_) | Self::Readable(_) | Self::Writable(_) => false,
        }
    }

    /// A descriptor by which the kernel says that it may be due, and for what to ask it. None: there is none, or the attempt may
    /// have no file more.
    pub(crate) fn descriptor(&self) -> Option<(OwnedFd, PollFlags)> {
        match self {
            Self::Message(connection) => Some((connection.descriptor()?, PollFlags::IN)),
            Self::Room(connection) => Some((connection.descriptor()?, PollFlags::IN | PollFlags::OUT)),
            Self::Readable(fd) => Some((fd.try_clone_to_owned().ok()?, PollFlags::IN)),
            Self::Writable(fd) => Some((fd.try_clone_to_owned().ok()?, PollFlags::OUT)),
            Self::Ended(_) | Self::Stopping => None,
        }
    }

    /// Whether it is due by what poll(2) says of its descriptor. What has come of a message need not be all of it.
    pub(super) fn happened(&self, flags: PollFlags) -> bool {
        match self {
            Self::Message(connection) => !flags.is_empty() && connection.look(),
            Self::Room(connection) => {
                if flags.contains(PollFlags::IN) {
                    connection.look();
                }
                !(flags - PollFlags::IN).is_empty()
            }
            Self::Readable(_) | Self::Writable(_) | Self::Ended(_) | Self::Stopping => !flags.is_empty(),
        }
    }
}
