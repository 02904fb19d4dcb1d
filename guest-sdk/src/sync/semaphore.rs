//! So many holders at a time.

use crate::abi::sandhog::job::objects as host;
use crate::error::{Result, unless_it_would_wait};
use crate::{Patience, nanoseconds};
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

/// So many permits. Any job that may release one can do so, also what it has not acquired: each such release is one permit more.
///
/// The permits of a job that ends come back, as many as it has acquired and not released.
///
/// ```standalone_crate
/// use sandhog::sync::Semaphore;
///
/// # fn main() -> sandhog::Result<()> {
/// let downloads = Semaphore::new(2)?;
/// let (first, second) = (downloads.acquire()?, downloads.acquire()?);
/// assert!(downloads.try_acquire()?.is_none());
/// drop(first);
/// assert_eq!(downloads.permits()?, 1);
/// # drop(second);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Semaphore {
    pub(crate) object: Rc<host::Semaphore>,
    patience: Patience,
}

impl Semaphore {
    /// The one that was granted under this name, bounded or not.
    pub fn open(name: &str) -> Result<Self> {
        Ok(Self { object: Rc::new(host::open_semaphore(name)?), patience: None })
    }

    /// A new one without a name; it may begin without any permit.
    pub fn new(permits: u32) -> Result<Self> {
        Ok(Self { object: Rc::new(host::create_semaphore(permits, false)?), patience: None })
    }

    /// The same semaphore, which is not waited for longer than this.
    pub fn within(&self, patience: Duration) -> Self {
        Self { object: Rc::clone(&self.object), patience: Some(patience) }
    }

    /// Waits for a permit. Needs the right to acquire; dropping the permit needs the right to release.
    #[inline]
    pub fn acquire(&self) -> Result<Permit> {
        let token = self.object.acquire(nanoseconds(self.patience))?;
        Ok(Permit { semaphore: Rc::clone(&self.object), token, released: false })
    }

    /// A permit, if one is left.
    pub fn try_acquire(&self) -> Result<Option<Permit>> {
        unless_it_would_wait(self.within(Duration::ZERO).acquire())
    }

    /// One permit more. [`Error::Invalid`](crate::Error::Invalid): of a bounded semaphore, more than it began with.
    pub fn release(&self) -> Result<()> {
        Ok(self.object.release()?)
    }

    /// How many permits are left just now.
    pub fn permits(&self) -> Result<u32> {
        Ok(self.object.permits()?)
    }
}

/// The same, and a release of more than it began with is [`Error::Invalid`](crate::Error::Invalid) (`ValueError` in Python).
///
/// ```standalone_crate
/// use sandhog::Error;
/// use sandhog::sync::BoundedSemaphore;
///
/// # fn main() -> sandhog::Result<()> {
/// let semaphore = BoundedSemaphore::new(1)?;
/// drop(semaphore.acquire()?);
/// assert!(matches!(semaphore.release(), Err(Error::Invalid(_))));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BoundedSemaphore(Semaphore);

impl BoundedSemaphore {
    /// The one that was granted under this name.
    pub fn open(name: &str) -> Result<Self> {
        Semaphore::open(name).map(Self)
    }

    /// A new one without a name.
    pub fn new(permits: u32) -> Result<Self> {
        Ok(Self(Semaphore { object: Rc::new(host::create_semaphore(permits, true)?), patience: None }))
    }

    /// The same semaphore, which is not waited for longer than this.
    pub fn within(&self, patience: Duration) -> Self {
        Self(self.0.within(patience))
    }
}

/// All that a semaphore can.
impl Deref for BoundedSemaphore {
    type Target = Semaphore;

    fn deref(&self) -> &Semaphore {
        &self.0
    }
}

/// A permit, which goes back when this is dropped.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once goes back at once"]
pub struct Permit {
    semaphore: Rc<host::Semaphore>,
    token: u64,
    released: bool,
}

impl Permit {
    /// The acquisition token: it grows with each acquisition of this semaphore. See [`Guard::token`](super::Guard::token).
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Gives it back. [`Error::Denied`](crate::Error::Denied): this job may acquire only.
    pub fn release(mut self) -> Result<()> {
        self.released = true;
        Ok(self.semaphore.release()?)
    }

    /// Keeps it: somebody else releases it, or nobody does before this job ends.
    pub fn keep(mut self) {
        self.released = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.released {
            // Nobody is left who could be told; `release` tells.
            let _ = self.semaphore.release();
        }
    }
}
