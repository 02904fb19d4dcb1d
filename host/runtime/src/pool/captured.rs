//! What a task wrote: in memory while it is little, in a file without a name when it is more.
//!
//! Must not: hold more than [`IN_MEMORY`] of it in memory.

/// Bytes of one stream that stay in memory. Most answers are shorter than a pipe's buffer.
pub const IN_MEMORY: usize = 64 << 10;

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
}
