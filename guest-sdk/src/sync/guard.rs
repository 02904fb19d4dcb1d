//! A lock that is held, and how it was got.

use crate::abi::sandhog::job::objects as host;
use crate::abi::sandhog::job::types;
use crate::error::{Error, Result};
use crate::verdict::Verdict;
use std::fmt;
use std::rc::Rc;

/// How a lock was got: its guard, or an error, which may hold the guard all the same.
pub type Locked<G> = std::result::Result<G, LockError<G>>;

/// Why a lock was not got, or that its holder before has died.
///
/// By `?` it becomes an [`Error`]: the lock is released then, and [`Error::Poisoned`] has the attempt and its verdict.
#[derive(Debug)]
pub enum LockError<G> {
    /// The lock is held, and the job that held it before has died while it did: what the lock protects may be half done. Told
    /// once: whoever locks it next is told nothing of that death.
    Poisoned(Poisoned<G>),
    /// The lock is not held. [`Error::TimedOut`], [`Error::WouldBlock`], [`Error::Stopping`], [`Error::Denied`].
    Failed(Error),
}

impl<G> LockError<G> {
    /// The guard all the same, for whoever does not care what the dead left behind.
    ///
    /// ```standalone_crate
    /// use sandhog::sync::{Lock, LockError};
    ///
    /// # fn main() -> sandhog::Result<()> {
    /// let lock = Lock::new()?;
    /// let guard = lock.lock().or_else(LockError::into_guard)?;
    /// assert!(guard.token() > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_guard(self) -> Result<G> {
        match self {
            Self::Poisoned(poisoned) => Ok(poisoned.guard),
            Self::Failed(error) => Err(error),
        }
    }

    /// The same error with another guard.
    pub(crate) fn map<H>(self, guard: impl FnOnce(G) -> H) -> LockError<H> {
        match self {
            Self::Poisoned(Poisoned { guard: held, death }) => {
                LockError::Poisoned(Poisoned { guard: guard(held), death })
            }
            Self::Failed(error) => LockError::Failed(error),
        }
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisoned(poisoned) => poisoned.fmt(out),
            Self::Failed(error) => error.fmt(out),
        }
    }
}

impl<G: fmt::Debug> std::error::Error for LockError<G> {}

impl<G> From<LockError<G>> for Error {
    fn from(error: LockError<G>) -> Self {
        match error {
            LockError::Poisoned(Poisoned { death, .. }) => {
                Self::Poisoned { attempt: death.attempt, verdict: Box::new(death.verdict) }
            }
            LockError::Failed(error) => error,
        }
    }
}

/// A lock that is held, though its holder before has died while it held it.
#[derive(Debug)]
pub struct Poisoned<G> {
    guard: G,
    /// Boxed, for hardly any lock has one and each result carries the place.
    death: Box<Death>,
}

/// Which attempt died, and why.
#[derive(Debug)]
struct Death {
    attempt: String,
    verdict: Verdict,
}

impl<G> Poisoned<G> {
    pub(crate) fn new(guard: G, death: types::Death) -> Self {
        let types::Death { attempt, verdict } = death;
        Self { guard, death: Box::new(Death { attempt, verdict: verdict.into() }) }
    }

    /// Which attempt held the lock before, by its id: the one that [`process::identity`](crate::process::identity) tells of there.
    /// Empty where nobody remembers it.
    pub fn attempt(&self) -> &str {
        &self.death.attempt
    }

    /// Why the holder before died.
    pub fn verdict(&self) -> &Verdict {
        &self.death.verdict
    }

    /// The lock, which is held until this is dropped.
    pub fn guard(&self) -> &G {
        &self.guard
    }

    /// The lock, for whoever has looked after what it protects.
    pub fn into_guard(self) -> G {
        self.guard
    }
}

impl<G> fmt::Display for Poisoned<G> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the holder before died while it held the lock: {}", self.death.verdict)
    }
}

/// What can be held.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Lock(Rc<host::Lock>),
    Rlock(Rc<host::Rlock>),
    Condition(Rc<host::Condition>),
    Value(Rc<host::Value>),
    Array(Rc<host::Array>),
}

impl Held {
    fn acquire(&self, timeout: Option<u64>) -> Result<host::Acquired, types::Error> {
        match self {
            Self::Lock(lock) => lock.acquire(timeout),
            Self::Rlock(lock) => lock.acquire(timeout),
            Self::Condition(lock) => lock.acquire(timeout),
            Self::Value(lock) => lock.acquire(timeout),
            Self::Array(lock) => lock.acquire(timeout),
        }
    }

    fn release(&self) -> Result<(), types::Error> {
        match self {
            Self::Lock(lock) => lock.release(),
            Self::Rlock(lock) => lock.release(),
            Self::Condition(lock) => lock.release(),
            Self::Value(lock) => lock.release(),
            Self::Array(lock) => lock.release(),
        }
    }

    /// Waits until it is held.
    #[inline]
    pub(crate) fn lock(self, timeout: Option<u64>) -> Locked<Guard> {
        match self.acquire(timeout) {
            Ok(host::Acquired::Clean(token)) => Ok(Guard { held: self, token, released: false }),
            Ok(host::Acquired::Poisoned((token, death))) => {
                let guard = Guard { held: self, token, released: false };
                Err(LockError::Poisoned(Poisoned::new(guard, death)))
            }
            Err(error) => Err(LockError::Failed(error.into())),
        }
    }
}

/// `None` where the lock is not free.
pub(crate) fn attempt<G>(locked: Locked<G>) -> Locked<Option<G>> {
    match locked {
        Ok(guard) => Ok(Some(guard)),
        Err(LockError::Failed(Error::WouldBlock | Error::TimedOut)) => Ok(None),
        Err(error) => Err(error.map(Some)),
    }
}

/// A lock that is held until this is dropped.
///
/// A drop has nobody to tell of an error; [`release`](Self::release) does. It is the job that holds a lock: whatever releases it
/// by other means leaves a guard behind whose drop does nothing.
#[derive(Debug)]
#[must_use = "a guard that is dropped at once releases its lock at once"]
pub struct Guard {
    held: Held,
    token: u64,
    released: bool,
}

impl Guard {
    /// The acquisition token: it grows with each acquisition of this object. Whoever writes somewhere else under the lock passes
    /// it on, so that what comes later with an older token can be refused there (a fencing token).
    ///
    /// ```standalone_crate
    /// # use sandhog::sync::Lock;
    /// # fn main() -> sandhog::Result<()> {
    /// let lock = Lock::new()?;
    /// let first = lock.lock()?.token();
    /// let second = lock.lock()?.token();
    /// assert!(first < second);
    /// # Ok(())
    /// # }
    /// ```
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Releases the lock. [`Error::Invalid`]: this job does not hold it any more.
    pub fn release(mut self) -> Result<()> {
        self.released = true;
        Ok(self.held.release()?)
    }

    pub(crate) fn renew(&mut self, token: u64) {
        self.token = token;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.released {
            // Nobody is left who could be told; the text says so.
            let _ = self.held.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Kind, Usage};

    fn poisoned() -> LockError<u8> {
        let verdict = Verdict { kind: Kind::Killed, code: 137, detail: "SIGKILL".into(), used: Usage::default() };
        LockError::Poisoned(Poisoned { guard: 7, death: Box::new(Death { attempt: "a-1".into(), verdict }) })
    }

    #[test]
    fn a_poisoned_lock_says_why_and_is_held() {
        let error = poisoned();
        assert_eq!(error.to_string(), "the holder before died while it held the lock: killed: SIGKILL");
        assert_eq!(error.into_guard(), Ok(7));
        let Error::Poisoned { attempt, verdict } = Error::from(poisoned()) else { panic!() };
        assert_eq!((attempt.as_str(), verdict.code), ("a-1", 137));
    }

    #[test]
    fn a_lock_that_is_not_free_is_nothing_yet() {
        assert!(matches!(attempt::<u8>(Err(LockError::Failed(Error::WouldBlock))), Ok(None)));
        assert!(matches!(
            attempt::<u8>(Err(LockError::Failed(Error::Stopping))),
            Err(LockError::Failed(Error::Stopping))
        ));
        assert!(matches!(attempt(Err(poisoned())), Err(LockError::Poisoned(poisoned)) if poisoned.guard() == &Some(7)));
    }
}
