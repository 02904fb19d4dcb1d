//! Bytes.

use super::MOST_BYTES;
use crate::abi::sandhog::job::objects as host;
use crate::error::Result;
use std::rc::Rc;

/// So many bytes, read and written at an offset. Copies of several jobs at the same time can mix: a lock of one's own, a barrier, or
/// parts that do not overlap keep them apart.
///
/// It lives until its last user has ended: a job that only reads it can outlive the one that wrote it. A place outside is
/// [`Error::Invalid`](crate::Error::Invalid).
///
/// ```standalone_crate
/// use sandhog::shared::Memory;
///
/// # fn main() -> sandhog::Result<()> {
/// let frames = Memory::new(1 << 20)?;
/// frames.write(100, b"a frame")?;
/// assert_eq!(frames.read(102, 5)?, b"frame");
/// assert_eq!(frames.size(), 1 << 20);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Memory {
    pub(crate) object: Rc<host::Memory>,
}

impl Memory {
    /// The one that was granted under this name.
    pub fn open(name: &str) -> Result<Self> {
        Ok(Self { object: Rc::new(host::open_memory(name)?) })
    }

    /// A new one without a name, of zeros.
    pub fn new(bytes: usize) -> Result<Self> {
        Ok(Self { object: Rc::new(host::create_memory(bytes as u64)?) })
    }

    /// How many bytes it has; `usize::MAX` where a `usize` can't say it.
    pub fn size(&self) -> usize {
        usize::try_from(self.object.size()).unwrap_or(usize::MAX)
    }

    /// So many bytes from a place on. Needs the right to read.
    pub fn read(&self, at: usize, count: usize) -> Result<Vec<u8>> {
        let mut bytes = self.object.read(at as u64, count.min(MOST_BYTES) as u64)?;
        while bytes.len() < count {
            let some = (count - bytes.len()).min(MOST_BYTES);
            bytes.extend_from_slice(&self.object.read((at + bytes.len()) as u64, some as u64)?);
        }
        Ok(bytes)
    }

    /// Copies bytes to a place and those behind it. Needs the right to write.
    pub fn write(&self, at: usize, bytes: &[u8]) -> Result<()> {
        let mut at = at as u64;
        for some in bytes.chunks(MOST_BYTES) {
            self.object.write(at, some)?;
            at += some.len() as u64;
        }
        Ok(())
    }
}
