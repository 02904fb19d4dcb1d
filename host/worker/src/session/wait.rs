//! Waiting for the first of several things, the coordinator's end among them.

use super::connection::Patience;
use super::{Connection, Error, Session};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sandhog_protocol::message::Message;
use sandhog_protocol::request::{ChildId, Request};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    Forever,
    /// Not at all.
    Now,
    At(Instant),
}

impl Until {
    /// From a guest's timeout in nanoseconds, from here on. One that no clock reaches is for ever.
    pub fn of(timeout: Option<u64>) -> Self {
        match timeout {
            None => Self::Forever,
            Some(0) => Self::Now,
            Some(nanoseconds) => {
                Instant::now().checked_add(Duration::from_nanos(nanoseconds)).map_or(Self::Forever, Self::At)
            }
        }
    }

    /// # Errors
    /// What to tell whoever can wait no longer.
    fn go_on(self) -> Result<(), Error> {
        match self {
            Self::Now => Err(Error::WouldBlock),
            Self::At(time) if Instant::now() >= time => Err(Error::TimedOut),
            Self::Forever | Self::At(_) => Ok(()),
        }
    }

    /// For poll(2).
    fn left(self) -> Option<Timespec> {
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
pub enum Source<'a> {
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
    const fn is_told(&self) -> bool {
        match self {
            Self::Ended(_) | Self::Stopping => true,
            Self::Message(_) | Self::Room(_) | Self::Readable(_) | Self::Writable(_) => false,
        }
    }

    /// Whether it is due by what poll(2) says of its descriptor. What has come of a message need not be all of it.
    fn happened(&self, flags: PollFlags) -> bool {
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

impl Session {
    /// Waits until something of this happens: the places of all that has, in order.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::WouldBlock`], [`Error::Gone`]; [`Error::Invalid`] where there are more sources than the
    /// attempt may have files.
    pub fn wait(&mut self, sources: &[Source<'_>], until: Until) -> Result<Vec<u32>, Error> {
        if sources.iter().any(|source| matches!(source, Source::Stopping)) {
            self.listen()?;
        }
        // What lies in our own buffer no poll(2) tells.
        self.take_in()?;
        loop {
            let known = sources.iter().any(|source| self.is_due(source));
            let happened = self.poll(sources, if known { Until::Now } else { until })?;
            let due = |(_, (source, happened)): &(u32, (&Source<'_>, bool))| *happened || self.is_due(source);
            let due: Vec<u32> = (0..).zip(sources.iter().zip(happened)).filter(due).map(|(place, _)| place).collect();
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
    pub fn recv(&mut self, connection: &Connection, until: Until) -> Result<Message, Error> {
        self.received(connection, until, |patience| connection.recv(patience))
    }

    /// All messages that have arrived together, as one MessagePack array.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub fn recv_batch(&mut self, connection: &Connection, until: Until) -> Result<Vec<u8>, Error> {
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

    /// Waits for one thing; with [`Until::Now`] it is taken for granted that it is not due.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_for(&mut self, source: Source<'_>, until: Until) -> Result<(), Error> {
        until.go_on()?;
        self.wait(&[source], until).map(drop)
    }

    /// Says that the guest listens for a stop; once.
    fn listen(&mut self) -> Result<(), Error> {
        if self.listens {
            return Ok(());
        }
        self.listens = true;
        self.control.ask(Request::Listens)
    }

    /// Whether it is due by what is known already.
    fn is_due(&self, source: &Source<'_>) -> bool {
        match source {
            Source::Message(connection) => connection.read().is_due(),
            Source::Room(connection) => connection.is_disconnected(),
            Source::Readable(_) | Source::Writable(_) => false,
            Source::Ended(child) => self.ended(*child).is_some(),
            Source::Stopping => self.stops,
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
        let mut places = Vec::with_capacity(sources.len());
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
            places.push(fd.map(|_| fds.len()));
            fds.extend(fd.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
        }
        let happened = poll_once(&mut fds, until)?;
        let flags = |place: usize| if happened { fds[place].revents() } else { PollFlags::empty() };
        let told: Vec<_> = places.iter().map(|place| place.map_or(PollFlags::empty(), flags)).collect();
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
