use super::blocking::Shared;
use super::reply::{self, Output};
use crate::{Error, Timeout};
use sandhog_channel::{Format, Message};
use sandhog_protocol::pool::{self, FromPool, Id, Octets};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Limits of one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run, from its start, in whole milliseconds. None: the job's ([`crate::Job::timeout`]).
    pub timeout: Option<Duration>,
    /// How long it may wait for a worker, in whole milliseconds. None: the pool's ([`crate::Pool::wait_timeout`]).
    pub wait: Option<Duration>,
}

/// What a command is given for one task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// Behind the job's own.
    pub arguments: Vec<String>,
    pub stdin: Vec<u8>,
}

/// A task that a handler has, or will have. Dropping it cancels it.
#[derive(Debug)]
pub struct Task<R> {
    ticket: Ticket,
    answer: PhantomData<fn() -> R>,
}

/// A task that a command has, or will have. Dropping it cancels it.
#[derive(Debug)]
pub struct CommandTask {
    ticket: Ticket,
}

/// A task that was submitted.
#[derive(Debug)]
pub(super) struct Ticket {
    shared: Arc<Shared>,
    id: i64,
    is_answered: bool,
}

impl<R: DeserializeOwned> Task<R> {
    pub(super) const fn new(ticket: Ticket) -> Self {
        Self { ticket, answer: PhantomData }
    }

    /// Waits for its answer: the value, or the handler's own error.
    ///
    /// # Errors
    /// [`Error::Poisoned`]: its worker died of it, met a limit, or was stopped since the task was cancelled.
    /// [`Error::Cancelled`], [`Error::Expired`]: no worker had it. [`Error::NoAnswer`], [`Error::Unexpected`], [`Error::Format`]: what
    /// it answered is something else. [`Error::PoolEnded`].
    pub fn wait(mut self) -> Result<Result<R, String>, Error> {
        reply::answer(self.ticket.reply(Timeout::Never)?)
    }

    /// As [`Self::wait`], and not longer than that; once its answer has been given, it has none any more.
    ///
    /// # Errors
    /// As [`Self::wait`]; [`Error::TimedOut`], [`Error::WouldBlock`]: it is still under way.
    pub fn wait_timeout(&mut self, timeout: Timeout) -> Result<Result<R, String>, Error> {
        reply::answer(self.ticket.reply(timeout)?)
    }

    /// As [`Self::wait`], for an answer of any format; a failure is the handler's own error.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_message(mut self) -> Result<Message, Error> {
        reply::message(self.ticket.reply(Timeout::Never)?)
    }

    /// Takes it back: one that waits is not run, one that runs has its worker ended. Its answer says which, or is there already.
    ///
    /// # Errors
    /// [`Error::PoolEnded`].
    pub fn cancel(&self) -> Result<(), Error> {
        self.ticket.cancel()
    }
}

impl CommandTask {
    pub(super) const fn new(ticket: Ticket) -> Self {
        Self { ticket }
    }

    /// Waits for its end, whatever that is.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Expired`]: no worker had it. [`Error::NoAnswer`], [`Error::PoolEnded`].
    pub fn wait(mut self) -> Result<Output, Error> {
        reply::output(self.ticket.reply(Timeout::Never)?)
    }

    /// As [`Self::wait`], and not longer than that; once its end has been told, it has none any more.
    ///
    /// # Errors
    /// As [`Self::wait`]; [`Error::TimedOut`], [`Error::WouldBlock`]: it is still under way.
    pub fn wait_timeout(&mut self, timeout: Timeout) -> Result<Output, Error> {
        reply::output(self.ticket.reply(timeout)?)
    }

    /// As [`Task::cancel`].
    ///
    /// # Errors
    /// [`Error::PoolEnded`].
    pub fn cancel(&self) -> Result<(), Error> {
        self.ticket.cancel()
    }
}

impl Ticket {
    pub(super) const fn new(shared: Arc<Shared>, id: i64) -> Self {
        Self { shared, id, is_answered: false }
    }

    fn reply(&mut self, timeout: Timeout) -> Result<FromPool, Error> {
        if self.is_answered {
            return Err(Error::Closed);
        }
        let reply = self.shared.reply(self.id, timeout);
        // Where the pool has ended there will be none.
        self.is_answered = !matches!(reply, Err(Error::TimedOut | Error::WouldBlock));
        reply
    }

    fn cancel(&self) -> Result<(), Error> {
        if self.is_answered { Ok(()) } else { self.shared.cancel(self.id) }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_answered {
            self.shared.abandon(self.id);
        }
    }
}

/// A task for a handler, as the pool is told it. Its id is given later.
pub(super) fn of_message(format: Format, body: Vec<u8>, limits: Limits) -> pool::Task {
    pool::Task { message: Some(Message { format, body }), ..with(limits) }
}

/// A task for a command.
pub(super) fn of_input(input: Input, limits: Limits) -> pool::Task {
    pool::Task { arguments: Some(input.arguments), stdin: Some(Octets(input.stdin)), ..with(limits) }
}

fn with(limits: Limits) -> pool::Task {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    pool::Task {
        timeout_ms: limits.timeout.map(milliseconds),
        wait_ms: limits.wait.map(milliseconds),
        ..pool::Task::new(Id::Number(0))
    }
}

/// Refuses here what the pool would refuse, so that a program need not read to write.
pub(super) fn check(task: &pool::Task, kind: pool::Kind) -> Result<(), Error> {
    let wrong = |text: &str| Err(Error::Refused(text.into()));
    match (kind, task.message.is_some()) {
        (pool::Kind::Handler | pool::Kind::Unknown(_), true) | (pool::Kind::Command, false) => {}
        (pool::Kind::Handler | pool::Kind::Unknown(_), false) => {
            return wrong("its module is a handler, which takes values");
        }
        (pool::Kind::Command, true) => return wrong("its module is a command, which takes arguments and stdin"),
    }
    let is_large = task.message.as_ref().is_some_and(|message| message.body.len() > sandhog_protocol::limits::MESSAGE)
        || task.stdin.as_ref().is_some_and(|stdin| stdin.0.len() > sandhog_protocol::limits::MESSAGE);
    if is_large { Err(Error::TooLarge { max: sandhog_protocol::limits::MESSAGE }) } else { Ok(()) }
}
