use crate::Error;
use crate::haste::LOOK;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// For ever.
    Never,
    /// Not at all: [`Error::WouldBlock`].
    Now,
    /// That long: [`Error::TimedOut`]. By a clock that nobody can set.
    After(Duration),
}

impl From<Option<Duration>> for Timeout {
    /// As `timeout` of `wit/sandhog.wit`: none is for ever, 0 is now.
    fn from(timeout: Option<Duration>) -> Self {
        match timeout {
            None => Self::Never,
            Some(Duration::ZERO) => Self::Now,
            Some(duration) => Self::After(duration),
        }
    }
}

/// One call's waiting. The clock is read only if there is something to wait for.
pub(crate) struct Wait {
    timeout: Timeout,
    end: Option<Instant>,
}

impl Wait {
    pub(crate) fn new(timeout: Timeout) -> Self {
        Self { timeout, end: None }
    }

    /// Whether the system call itself may wait: it needs no end then, and two calls less.
    pub(crate) fn is_endless(&self) -> bool {
        self.timeout == Timeout::Never
    }

    /// Whether it may take longer than a receiver looks for a packet before it sleeps.
    pub(crate) fn is_long(&self) -> bool {
        match self.timeout {
            Timeout::Never => true,
            Timeout::Now => false,
            Timeout::After(duration) => duration > 10 * LOOK,
        }
    }

    /// Until one of `events` is there, or the other end has gone; which of them.
    pub(crate) fn until(&mut self, fd: BorrowedFd<'_>, events: PollFlags) -> Result<PollFlags, Error> {
        let mut fds = [PollFd::from_borrowed_fd(fd, events)];
        self.poll(Instant::now, |left| poll(&mut fds, left))?;
        Ok(fds[0].revents())
    }

    /// As [`Self::until`], after a system call that would have had to wait: nobody who does not wait asks twice.
    pub(crate) fn until_again(&mut self, fd: BorrowedFd<'_>, events: PollFlags) -> Result<(), Error> {
        match self.timeout {
            Timeout::Now => Err(Error::WouldBlock),
            Timeout::Never | Timeout::After(_) => self.until(fd, events).map(|_| ()),
        }
    }

    fn poll(
        &mut self,
        now: impl Fn() -> Instant,
        mut poll: impl FnMut(Option<&Timespec>) -> Result<usize, Errno>,
    ) -> Result<(), Error> {
        loop {
            let left = self.left(&now).and_then(|left| Timespec::try_from(left).ok());
            match poll(left.as_ref()) {
                Ok(0) if self.timeout == Timeout::Now => return Err(Error::WouldBlock),
                Ok(0) => return Err(Error::TimedOut),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::system("wait for the other end")(errno)),
            }
        }
    }

    /// None: for ever.
    fn left(&mut self, now: &impl Fn() -> Instant) -> Option<Duration> {
        match self.timeout {
            Timeout::Never => None,
            Timeout::Now => Some(Duration::ZERO),
            Timeout::After(duration) => {
                let now = now();
                if self.end.is_none() {
                    // What lies beyond the clock's range is never.
                    self.end = Some(now.checked_add(duration)?);
                }
                self.end.map(|end| end.saturating_duration_since(now))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_signal_does_not_prolong_a_wait() {
        let (clock, mut waits) = (Cell::new(Instant::now()), Vec::new());
        let mut wait = Wait::new(Timeout::After(3 * SECOND));
        let end = wait.poll(
            || clock.get(),
            |left| {
                waits.push(left.unwrap().tv_sec);
                clock.set(clock.get() + SECOND);
                if waits.len() < 4 { Err(Errno::INTR) } else { Ok(0) }
            },
        );
        assert!(matches!(end, Err(Error::TimedOut)));
        assert_eq!(waits, [3, 2, 1, 0]);
    }

    #[test]
    fn a_second_wait_of_one_call_has_what_is_left() {
        let start = Instant::now();
        let mut wait = Wait::new(Timeout::After(3 * SECOND));
        wait.poll(|| start, |_| Ok(1)).unwrap();
        let later = |left: Option<&Timespec>| Ok(left.unwrap().tv_sec as usize);
        wait.poll(|| start + SECOND, later).unwrap();
        assert!(matches!(wait.poll(|| start + 9 * SECOND, later), Err(Error::TimedOut)));
    }

    #[test]
    fn what_is_longer_than_the_clock_knows_is_for_ever() {
        let mut wait = Wait::new(Timeout::After(Duration::MAX));
        wait.poll(Instant::now, |left| Ok(usize::from(left.is_none()))).unwrap();
    }

    #[test]
    fn no_timeout_is_for_ever_and_zero_is_now() {
        assert_eq!(Timeout::from(None), Timeout::Never);
        assert_eq!(Timeout::from(Some(Duration::ZERO)), Timeout::Now);
        assert_eq!(Timeout::from(Some(SECOND)), Timeout::After(SECOND));
    }
}
