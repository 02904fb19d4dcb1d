//! The guest's children: how one starts, what the guest may do with it, how it is waited for.

use super::child::Child;
use super::connection::{Connection, Counts, Peer};
use super::conversation::{Answer, Heard, Session};
use super::ended::Ended;
use super::error::Error;
use super::source::{Source, Until};
use super::streams;
use sandhog_protocol::message::Message;
use sandhog_protocol::request::{ChildId, ChildJob, ChildStdio, Request};
use sandhog_protocol::usage::{LiveUsage, WorkerUsage};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What is to come beside the answer to a spawn.
#[derive(Clone, Copy)]
struct Expected {
    connected: bool,
    piped: [bool; 3],
    /// Whether it may take sockets.
    passed: bool,
}

impl Expected {
    fn of(job: &ChildJob) -> Self {
        Self { connected: job.connected, piped: job.stdio.map(|stdio| stdio == ChildStdio::Piped), passed: job.passed }
    }

    fn count(self) -> usize {
        usize::from(self.connected) + self.piped.iter().filter(|piped| **piped).count()
    }
}

impl Session {
    /// Asks for a child and waits for the answer. `ends`: those of pipes that the child is handed.
    ///
    /// # Errors
    /// What the coordinator says to it: [`Error::Denied`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Quota`], which
    /// it also is where the attempt may not have as many files more; [`Error::Gone`].
    pub(crate) fn spawn(&mut self, job: ChildJob, ends: &[Connection]) -> Result<ChildId, Error> {
        let expected = Expected::of(&job);
        match self.answer_to(Request::Spawn(Box::new(job)))? {
            Answer::Spawned(answer) => {
                let fds = self.control.take_fds();
                let (child, attempt) = answer?;
                ends.iter().for_each(Connection::hand_on);
                self.adopt(child, attempt, expected, fds)
            }
            // To something else.
            Answer::Used(_) | Answer::Attached(_) | Answer::Dead(_) => Err(Error::Gone),
        }
    }

    /// Asks for something that has an answer, and waits for that. The coordinator answers without asking anybody else.
    pub(super) fn answer_to(&mut self, request: Request) -> Result<Answer, Error> {
        self.control.ask(request)?;
        loop {
            let reply = self.control.next()?;
            if let Heard::Answer(answer) = self.hear(reply) {
                return Ok(answer);
            }
        }
    }

    fn adopt(&mut self, id: ChildId, attempt: String, expected: Expected, fds: Vec<OwnedFd>) -> Result<ChildId, Error> {
        // The kernel gives no more than the process may have; nobody could use the rest.
        if fds.len() != expected.count() {
            self.kill(id)?;
            return Err(Error::Quota("files that this attempt may have open".to_owned()));
        }
        let mut fds = fds.into_iter();
        let peer = if expected.passed { Peer::Job } else { Peer::WithoutRight };
        let socket = if expected.connected { fds.next() } else { None };
        let connection = socket.map(|socket| Connection::new(socket, self.ways, peer));
        let streams = expected.piped.map(|piped| if piped { fds.next() } else { None });
        for stream in streams.iter().flatten() {
            streams::never_block(stream)?;
        }
        self.news.wait_for(id, attempt.clone());
        self.children.insert(id, Child { attempt, connection, streams });
        Ok(id)
    }

    /// Asks the child to stop. Ended: nothing.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub(crate) fn stop(&mut self, child: ChildId) -> Result<(), Error> {
        self.control.ask(Request::Stop { child })
    }

    /// # Errors
    /// [`Error::Gone`].
    pub(crate) fn kill(&mut self, child: ChildId) -> Result<(), Error> {
        self.control.ask(Request::Kill { child })
    }

    /// What it has used so far, and the messages that went through its connection, as its parent's end has them: received from
    /// it, and sent to it.
    ///
    /// # Errors
    /// [`Error::Closed`]: it has ended, or is about to. [`Error::NotFound`]: nobody can tell on this machine. [`Error::Gone`].
    pub(crate) fn usage(&mut self, child: ChildId) -> Result<(LiveUsage, Counts), Error> {
        if self.ended(child).is_some() {
            return Err(Error::Closed);
        }
        let usage = match self.answer_to(Request::Usage { child })? {
            Answer::Used(WorkerUsage::Alive(usage)) => usage,
            Answer::Used(WorkerUsage::Ended) => return Err(Error::Closed),
            Answer::Used(WorkerUsage::Unknown) => return Err(Error::NotFound("the child's process".to_owned())),
            // To something else.
            Answer::Spawned(_) | Answer::Attached(_) | Answer::Dead(_) => return Err(Error::Gone),
        };
        let counts = self.connection_to(child).map(|connection| connection.counts());
        Ok((usage, counts.unwrap_or_default()))
    }

    /// The guest has no handle to it any more. It runs on; what nobody has taken of its ends closes.
    pub(crate) fn forget(&mut self, child: ChildId) {
        self.children.remove(&child);
        self.news.forget(child);
    }

    /// The instance that had handles has gone, and all of them with it: what [`Self::forget`] does, to every child, and the same
    /// for objects.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub(crate) fn forget_all(&mut self) -> Result<(), Error> {
        while let Some((child, _)) = self.children.pop_first() {
            self.news.forget(child);
        }
        self.let_go_of_all()
    }

    /// Its attempt's id.
    pub(crate) fn attempt_of(&self, child: ChildId) -> &str {
        self.children.get(&child).map_or("", |child| &child.attempt)
    }

    pub(crate) fn connection_to(&self, child: ChildId) -> Option<Connection> {
        self.children.get(&child)?.connection.clone()
    }

    /// The end of its stream of this number: 0, 1 or 2; once.
    pub(crate) fn take_stream(&mut self, child: ChildId, number: usize) -> Option<OwnedFd> {
        self.children.get_mut(&child)?.streams.get_mut(number)?.take()
    }

    /// Its verdict, where that is known.
    pub(super) fn ended(&self, child: ChildId) -> Option<Arc<Ended>> {
        self.news.ended(child)
    }

    /// Waits for its verdict.
    ///
    /// # Errors
    /// As [`Session::wait`].
    pub(crate) fn verdict(&mut self, child: ChildId, until: Until) -> Result<Arc<Ended>, Error> {
        loop {
            if let Some(ended) = self.ended(child) {
                return Ok(ended);
            }
            self.wait(&[Source::Ended(child)], until)?;
        }
    }

    /// Waits for the answer to the last of the tasks that were sent to a child, and skips those to earlier ones, which nobody
    /// has waited for to the end.
    ///
    /// # Errors
    /// As [`Session::recv`]; [`Error::Poisoned`] where the child has died instead.
    pub(crate) fn answer(&mut self, child: ChildId, connection: &Connection, until: Until) -> Result<Message, Error> {
        loop {
            match self.recv(connection, until) {
                Ok(_) if connection.owed() > 0 => {}
                Err(Error::Closed) => return Err(self.poisoned(child, connection, until)),
                other => return other,
            }
        }
    }

    /// Why nobody is there to answer: the child's verdict, which is on its way when its end has closed.
    pub(crate) fn poisoned(&mut self, child: ChildId, connection: &Connection, until: Until) -> Error {
        if connection.is_disconnected() {
            return Error::Closed;
        }
        match self.verdict(child, until) {
            Ok(ended) => Error::Poisoned(ended),
            Err(error) => error,
        }
    }
}
