//! Something that has happened, or not yet.

use crate::abi::sandhog::job::objects as host;
use crate::error::{Error, Result};
use crate::{Patience, nanoseconds};
use std::rc::Rc;
use std::time::Duration;

/// Something that has happened, or not yet: many wait for it, and all go on when it is set.
///
/// ```standalone_crate
/// use sandhog::sync::Event;
/// use std::time::Duration;
///
/// # fn main() -> sandhog::Result<()> {
/// let start = Event::new()?;
/// assert!(!start.within(Duration::from_millis(10)).is_set_in_time()?);
/// start.set()?;
/// start.wait()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Event {
    pub(crate) object: Rc<host::Event>,
    patience: Patience,
}

impl Event {
    /// The one that was granted under this name.
    pub fn open(name: &str) -> Result<Self> {
        Ok(Self { object: Rc::new(host::open_event(name)?), patience: None })
    }

    /// A new one without a name, not set.
    pub fn new() -> Result<Self> {
        Ok(Self { object: Rc::new(host::create_event()?), patience: None })
    }

    /// The same event, which is not waited for longer than this.
    pub fn within(&self, patience: Duration) -> Self {
        Self { object: Rc::clone(&self.object), patience: Some(patience) }
    }

    /// It has happened: whoever waits goes on. Needs the right to set.
    pub fn set(&self) -> Result<()> {
        Ok(self.object.set()?)
    }

    /// It has not happened yet. Needs the right to set.
    pub fn clear(&self) -> Result<()> {
        Ok(self.object.clear()?)
    }

    /// Whether it has happened.
    pub fn is_set(&self) -> Result<bool> {
        Ok(self.object.is_set()?)
    }

    /// Waits until it has happened. Needs the right to wait.
    pub fn wait(&self) -> Result<()> {
        Ok(self.object.wait(nanoseconds(self.patience))?)
    }

    /// The same, and false where the time of [`within`](Self::within) is over: what `wait` gives in Python.
    pub fn is_set_in_time(&self) -> Result<bool> {
        match self.wait() {
            Ok(()) => Ok(true),
            Err(Error::TimedOut | Error::WouldBlock) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
