//! A place where all wait for each other.

use crate::abi::sandhog::job::objects as host;
use crate::error::Result;
use crate::{Patience, nanoseconds};
use std::rc::Rc;
use std::time::Duration;

/// A place where so many jobs wait for each other. When the last one is there, all go on, and it can be used again.
///
/// A job that gives up or dies while it waits breaks it: the others, and whoever comes later, are told
/// [`Error::Broken`](crate::Error::Broken) until it is [`reset`](Self::reset).
///
/// ```standalone_crate
/// use sandhog::Error;
/// use sandhog::sync::Barrier;
/// use std::time::Duration;
///
/// # fn main() -> sandhog::Result<()> {
/// let alone = Barrier::new(1)?;
/// assert_eq!(alone.wait()?, 0);
///
/// let two = Barrier::new(2)?;
/// assert_eq!(two.within(Duration::from_millis(10)).wait(), Err(Error::TimedOut));
/// assert_eq!(two.wait(), Err(Error::Broken));
/// two.reset()?;
/// assert!(!two.is_broken()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Barrier {
    pub(crate) object: Rc<host::Barrier>,
    patience: Patience,
}

impl Barrier {
    /// The one that was granted under this name.
    pub fn open(name: &str) -> Result<Self> {
        Ok(Self { object: Rc::new(host::open_barrier(name)?), patience: None })
    }

    /// A new one without a name, for so many.
    pub fn new(parties: u32) -> Result<Self> {
        Ok(Self { object: Rc::new(host::create_barrier(parties)?), patience: None })
    }

    /// The same barrier, where the others are not waited for longer than this. Whoever gives up breaks it.
    pub fn within(&self, patience: Duration) -> Self {
        Self { object: Rc::clone(&self.object), patience: Some(patience) }
    }

    /// Waits until all are there: which one this is, counted from 0 in the order of arrival.
    pub fn wait(&self) -> Result<u32> {
        Ok(self.object.wait(nanoseconds(self.patience))?)
    }

    /// Makes it empty and whole. Whoever waits there is told [`Error::Broken`](crate::Error::Broken).
    pub fn reset(&self) -> Result<()> {
        Ok(self.object.reset()?)
    }

    /// Breaks it.
    pub fn abort(&self) -> Result<()> {
        Ok(self.object.abort()?)
    }

    /// How many wait for each other.
    pub fn parties(&self) -> u32 {
        self.object.parties()
    }

    /// How many wait just now.
    pub fn waiting(&self) -> Result<u32> {
        Ok(self.object.waiting()?)
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> Result<bool> {
        Ok(self.object.is_broken()?)
    }
}
