//! Waiting for the first of several things, the coordinator's end among them.

use super::connection::{Connection, Patience};
use super::conversation::Session;
use super::error::Error;
use super::source::{Source, Until};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use sandhog_protocol::message::Message;
use std::os::fd::AsFd;
use std::time::Duration;

/// Long enough to cost next to nothing, short enough that nobody notices.
const A_MOMENT: Duration = Duration::from_millis(2);

impl Session {
    /// Waits until something of this happens: the places of all that has, in order.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::WouldBlock`], [`Error::Gone`]; [`Error::Invalid`] where there are more sources than the
    /// attempt may have files.
    pub(crate) fn wait(&mut self, sources: &[Source<'_>], until: Until) -> Result<Vec<u32>, Error> {
        if sources.iter().any(|source| matches!(source, Source::Stopping)) {
            self.waits.listen()?;
        }
        // What lies in our own buffer no poll(2) tells.
        self.take_in()?;
        loop {
            let known = sources.iter().any(|source| self.is_due(source));
            let happened = self.poll(sources, if known { Until::Now } else { until })?;
            let due = |(_, (source, happened)): &(u32, (&Source<'_>, bool))| *happened || self.is_due(source);
            let due: Vec<u32> = (0..).zip(sources.iter().zip(happened)).filter(due).map(|(index, _)| index).collect();
            if !due.is_empty() {
                return Ok(due);
            }
            until.go_on()?;
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// As [`Connection::recv`], and as [`Self::wait`].
    pub(crate) fn recv(&mut self, connection: &Connection, until: Until) -> Result<Message, Error> {
        self.received(connection, until, |patience| connection.recv(patience))
    }

    /// All messages that have arrived together, as one MessagePack array.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub(crate) fn recv_batch(&mut self, connection: &Connection, until: Until) -> Result<Vec<u8>, Error> {
        self.received(connection, until, |patience| connection.recv_batch(patience))
    }

    /// Where the wait has no end it is the system call that waits, without an eye on the coordinator: two calls less are a
    /// third of what a message costs here. Nobody is left behind by it, for a worker's pid namespace ends with the spawner
    /// and the spawner with the coordinator.
    fn received<T>(
        &mut self,
        connection: &Connection,
        until: Until,
        receive: impl Fn(Patience) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if until == Until::Forever {
            return receive(Patience::Endless);
        }
        self.patiently(Source::Message(connection), until, || receive(Patience::None))
    }

    /// Makes an attempt after each time that `source` is due, until it does not come too early.
    pub(super) fn patiently<T>(
        &mut self,
        source: Source<'_>,
        until: Until,
        mut attempt: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            match attempt() {
                Err(Error::WouldBlock) => self.wait_for(source, until)?,
                other => return other,
            }
        }
    }

    /// Whether it has been asked to stop before the time was over.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub(crate) fn stopping(&mut self, until: Until) -> Result<bool, Error> {
        match self.wait(&[Source::Stopping], until) {
            Ok(_) => Ok(true),
            Err(Error::TimedOut | Error::WouldBlock) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits for one thing; with [`Until::Now`] it is taken for granted that it is not due.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub(crate) fn wait_for(&mut self, source: Source<'_>, until: Until) -> Result<(), Error> {
        until.go_on()?;
        self.wait(&[source], until).map(drop)
    }

    /// Waits for something of which nobody tells when it is due: a moment, after which it may be.
    ///
    /// # Errors
    /// As [`Self::wait`], once the time was over before.
    pub(crate) fn wait_a_little(&mut self, until: Until) -> Result<(), Error> {
        until.go_on()?;
        match self.wait(&[], until.at_most(A_MOMENT)) {
            Ok(_) | Err(Error::TimedOut) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether it is due by what is known already.
    fn is_due(&self, source: &Source<'_>) -> bool {
        match source {
            Source::Message(connection) => connection.read().is_due(),
            Source::Room(connection) => connection.is_disconnected(),
            Source::Readable(_) | Source::Writable(_) => false,
            Source::Ended(child) => self.ended(*child).is_some(),
            Source::Stopping => self.news.stops(),
        }
    }

    /// Waits once, at most until then, for what only the kernel knows, and takes in what the coordinator has said by then:
    /// which sources the kernel says are due. May come back early.
    fn poll(&mut self, sources: &[Source<'_>], until: Until) -> Result<Vec<bool>, Error> {
        let told = sources.iter().any(Source::is_told);
        // Held while their sockets are waited for; the same connection may be among the sources twice.
        let ends: Vec<_> = sources
            .iter()
            .map(|source| match source {
                Source::Message(connection) | Source::Room(connection) => Some(connection.read()),
                Source::Readable(_) | Source::Writable(_) | Source::Ended(_) | Source::Stopping => None,
            })
            .collect();
        // Without a flag poll(2) still says when the other end has gone.
        let own = if told { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::from_borrowed_fd(self.control.as_fd(), own)];
        let mut indices = Vec::with_capacity(sources.len());
        for (source, end) in sources.iter().zip(&ends) {
            let socket = end.as_ref().and_then(|end| end.socket());
            let fd = match source {
                Source::Message(_) => socket.map(|fd| (fd, PollFlags::IN)),
                Source::Room(_) => {
                    let more = end.as_ref().is_some_and(|end| end.takes_in());
                    socket.map(|fd| (fd, if more { PollFlags::OUT | PollFlags::IN } else { PollFlags::OUT }))
                }
                Source::Readable(fd) => Some((*fd, PollFlags::IN)),
                Source::Writable(fd) => Some((*fd, PollFlags::OUT)),
                Source::Ended(_) | Source::Stopping => None,
            };
            indices.push(fd.map(|_| fds.len()));
            fds.extend(fd.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
        }
        let happened = poll_once(&mut fds, until)?;
        let flags = |index: usize| if happened { fds[index].revents() } else { PollFlags::empty() };
        let told: Vec<_> = indices.iter().map(|index| index.map_or(PollFlags::empty(), flags)).collect();
        let own = flags(0);
        drop(fds);
        drop(ends);
        let due = sources.iter().zip(told).map(|(source, flags)| source.happened(flags)).collect();
        if own.intersects(PollFlags::HUP | PollFlags::ERR) {
            return Err(Error::Gone);
        }
        if own.contains(PollFlags::IN) {
            self.catch_up()?;
        }
        Ok(due)
    }
}

/// Whether anything has happened before the time was over.
fn poll_once(fds: &mut [PollFd<'_>], until: Until) -> Result<bool, Error> {
    match poll(fds, until.left().as_ref()) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(Errno::INVAL) => Err(Error::Invalid("more sources than this attempt may have files".to_owned())),
        Err(errno) => Err(errno.into()),
    }
}
