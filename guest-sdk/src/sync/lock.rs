//! One holder at a time.

use super::{Guard, Held, Locked, attempt};
use crate::abi::sandhog::job::objects as host;
use crate::error::Result;
use crate::{Patience, nanoseconds};
use std::rc::Rc;
use std::time::Duration;

/// One holder at a time, among all jobs that share it. A job that locks it twice waits for itself; an [`RLock`] does not.
///
/// ```standalone_crate
/// use sandhog::sync::Lock;
///
/// # fn main() -> sandhog::Result<()> {
/// let lock = Lock::open("accounts")?;
/// let guard = lock.lock()?;
/// assert!(lock.try_lock()?.is_none());
/// drop(guard);
/// assert!(lock.try_lock()?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Lock {
    pub(crate) object: Rc<host::Lock>,
    patience: Patience,
}

impl Lock {
    /// The lock that was granted under this name. [`Error::NotFound`](crate::Error::NotFound): none was;
    /// [`Error::Invalid`](crate::Error::Invalid): it is no lock. The same for all objects.
    pub fn open(name: &str) -> Result<Self> {
        Ok(Self { object: Rc::new(host::open_lock(name)?), patience: None })
    }

    /// A new one without a name, for this job and for the children that it is passed on to.
    /// [`Error::Denied`](crate::Error::Denied): this job may make none (`--max-objects`);
    /// [`Error::Quota`](crate::Error::Quota): the group has too many. The same for all objects.
    pub fn new() -> Result<Self> {
        Ok(Self { object: Rc::new(host::create_lock()?), patience: None })
    }

    /// The same lock, which is not waited for longer than this: [`Error::TimedOut`](crate::Error::TimedOut), or
    /// [`Error::WouldBlock`](crate::Error::WouldBlock) where this is zero.
    ///
    /// ```standalone_crate
    /// # use sandhog::sync::{Lock, LockError};
    /// # use sandhog::Error;
    /// # use std::time::Duration;
    /// # fn main() -> sandhog::Result<()> {
    /// let lock = Lock::new()?;
    /// let _guard = lock.lock()?;
    /// let again = lock.within(Duration::from_millis(20)).lock();
    /// assert!(matches!(again, Err(LockError::Failed(Error::TimedOut))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn within(&self, patience: Duration) -> Self {
        Self { object: Rc::clone(&self.object), patience: Some(patience) }
    }

    /// Waits until the lock is held.
    #[inline]
    pub fn lock(&self) -> Locked<Guard> {
        Held::Lock(Rc::clone(&self.object)).lock(nanoseconds(self.patience))
    }

    /// The lock, if it is free.
    pub fn try_lock(&self) -> Locked<Option<Guard>> {
        attempt(self.within(Duration::ZERO).lock())
    }

    /// Releases it without its guard: one that was forgotten, or whose lock is held across other calls.
    /// [`Error::Invalid`](crate::Error::Invalid): this job does not hold it.
    pub fn release(&self) -> Result<()> {
        Ok(self.object.release()?)
    }
}

/// The same, and its holder may lock it again: it is free after as many releases.
///
/// ```standalone_crate
/// use sandhog::sync::RLock;
///
/// # fn main() -> sandhog::Result<()> {
/// let lock = RLock::new()?;
/// let outer = lock.lock()?;
/// let inner = lock.lock()?;
/// drop((outer, inner));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RLock {
    pub(crate) object: Rc<host::Rlock>,
    patience: Patience,
}

impl RLock {
    /// The one that was granted under this name.
    pub fn open(name: &str) -> Result<Self> {
        Ok(Self { object: Rc::new(host::open_rlock(name)?), patience: None })
    }

    /// A new one without a name.
    pub fn new() -> Result<Self> {
        Ok(Self { object: Rc::new(host::create_rlock()?), patience: None })
    }

    /// As [`Lock::within`].
    pub fn within(&self, patience: Duration) -> Self {
        Self { object: Rc::clone(&self.object), patience: Some(patience) }
    }

    /// Waits until the lock is held, once more where this job holds it.
    #[inline]
    pub fn lock(&self) -> Locked<Guard> {
        Held::Rlock(Rc::clone(&self.object)).lock(nanoseconds(self.patience))
    }

    /// The lock, if nobody else holds it.
    pub fn try_lock(&self) -> Locked<Option<Guard>> {
        attempt(self.within(Duration::ZERO).lock())
    }

    /// As [`Lock::release`].
    pub fn release(&self) -> Result<()> {
        Ok(self.object.release()?)
    }
}
