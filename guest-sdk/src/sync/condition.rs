//! A lock, and a wait for what changes under it.

use super::{Guard, Held, Locked, attempt};
use crate::abi::sandhog::job::objects as host;
use crate::abi::sandhog::job::types;
use crate::error::{Error, Result};
use crate::{Patience, nanoseconds};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A lock that its holder may lock again, and a wait for what changes under it.
///
/// ```standalone_crate
/// use sandhog::Error;
/// use sandhog::sync::Condition;
/// use std::time::Duration;
///
/// # fn main() -> sandhog::Result<()> {
/// let changed = Condition::new()?;
/// let hasty = changed.within(Duration::from_millis(10));
/// let mut guard = hasty.lock()?;
/// assert_eq!(guard.wait(), Err(Error::TimedOut)); // Nobody notifies.
/// guard.wait_for(|| Ok(true))?; // It holds already.
/// guard.notify_all()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Condition {
    pub(crate) object: Rc<host::Condition>,
    patience: Patience,
}

impl Condition {
    /// The one that was granted under this name.
    pub fn open(name: &str) -> Result<Self> {
        Ok(Self { object: Rc::new(host::open_condition(name)?), patience: None })
    }

    /// A new one without a name.
    pub fn new() -> Result<Self> {
        Ok(Self { object: Rc::new(host::create_condition()?), patience: None })
    }

    /// The same condition, where neither its lock nor a notification is waited for longer than this.
    pub fn within(&self, patience: Duration) -> Self {
        Self { object: Rc::clone(&self.object), patience: Some(patience) }
    }

    /// Waits until its lock is held.
    pub fn lock(&self) -> Locked<ConditionGuard> {
        let with_condition = |guard| ConditionGuard { guard, condition: self.clone() };
        match Held::Condition(Rc::clone(&self.object)).lock(nanoseconds(self.patience)) {
            Ok(guard) => Ok(with_condition(guard)),
            Err(error) => Err(error.map(with_condition)),
        }
    }

    /// Its lock, if nobody else holds it. The guard waits for notifications as long as this handle does.
    pub fn try_lock(&self) -> Locked<Option<ConditionGuard>> {
        let patient = |guard: ConditionGuard| ConditionGuard { condition: self.clone(), ..guard };
        match attempt(self.within(Duration::ZERO).lock()) {
            Ok(guard) => Ok(guard.map(patient)),
            Err(error) => Err(error.map(|guard| guard.map(patient))),
        }
    }
}

/// The lock of a condition, held until this is dropped.
#[derive(Debug)]
#[must_use = "a guard that is dropped at once releases its lock at once"]
pub struct ConditionGuard {
    guard: Guard,
    condition: Condition,
}

impl ConditionGuard {
    /// As [`Guard::token`].
    pub fn token(&self) -> u64 {
        self.guard.token()
    }

    /// Releases the lock, waits to be notified, and holds the lock again.
    ///
    /// The lock is held after an error, too: [`Error::TimedOut`]: nobody notified; [`Error::Poisoned`]: a job died
    /// meanwhile while it held the lock, so that what it protects may be half done. After [`Error::Stopping`] it may not be held,
    /// and whoever is asked to stop does not need it any more.
    pub fn wait(&mut self) -> Result<()> {
        self.wait_within(self.condition.patience)
    }

    fn wait_within(&mut self, patience: Patience) -> Result<()> {
        match self.condition.object.wait(nanoseconds(patience))? {
            host::Acquired::Clean(token) => {
                self.guard.renew(token);
                Ok(())
            }
            host::Acquired::Poisoned((token, death)) => {
                self.guard.renew(token);
                Err(types::Error::Poisoned(death).into())
            }
        }
    }

    /// Waits until this holds; looks at once, and after each notification. [`Error::TimedOut`]: it did not hold within the time of
    /// [`Condition::within`], all waits together. Other errors as those of [`wait`](Self::wait), and of what looks.
    pub fn wait_for(&mut self, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        while !holds()? {
            let left = self.condition.patience.map(|patience| patience.saturating_sub(begun.elapsed()));
            match self.wait_within(left) {
                // Somebody may have changed it without a word, or too late for this wait.
                Err(Error::TimedOut | Error::WouldBlock) => {
                    return if holds()? { Ok(()) } else { Err(Error::TimedOut) };
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Wakes one of those that wait, if there is one. Those that began first go first.
    pub fn notify_one(&self) -> Result<()> {
        self.notify(1)
    }

    /// Wakes so many of those that wait.
    pub fn notify(&self, most: u32) -> Result<()> {
        Ok(self.condition.object.notify(most)?)
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) -> Result<()> {
        Ok(self.condition.object.notify_all()?)
    }

    /// As [`Guard::release`].
    pub fn release(self) -> Result<()> {
        self.guard.release()
    }
}
