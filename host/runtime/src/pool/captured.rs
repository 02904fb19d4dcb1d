//! What a task wrote: in memory while it is little, in a file without a name when it is more.
//!
//! Must not: hold more than [`IN_MEMORY`] of it in memory.

use std::io;

/// Bytes of one stream that stay in memory. Most answers are shorter than a pipe's buffer.
pub const IN_MEMORY: usize = 64 << 10;

/// Why not all of it is there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read back what it wrote")]
    Read(#[source] io::Error),
}

/// All that came out of one stream.
#[derive(Debug, Default)]
pub struct Captured {
    bytes: Vec<u8>,
}

impl Captured {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Why it is not whole. What came before the failure is there.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        None
    }

    /// All of it, for whoever knows that it is short.
    ///
    /// # Errors
    /// It can't be read back.
    pub fn into_bytes(self) -> Result<Vec<u8>, Error> {
        Ok(self.bytes)
    }
}

impl From<Vec<u8>> for Captured {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }
}
