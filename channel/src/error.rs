use sandhog_protocol::message::Breach;
use std::io;

/// Why nothing was sent, or nothing received.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other end has gone and all that it sent has been received; or this one was disconnected.
    #[error("the other end has gone")]
    Closed,
    #[error("the time was over")]
    TimedOut,
    /// With [`crate::Timeout::Now`].
    #[error("it would have to wait")]
    WouldBlock,
    /// What was to be sent; the most that would have been taken, in bytes. What is received is [`Broken::TooLarge`].
    #[error("larger than {max} bytes")]
    TooLarge { max: usize },
    /// What was to be sent is no batch, or a failure that is no text.
    #[error("not to be sent")]
    Invalid(#[source] Breach),
    /// A message came with a handle, and this end takes none ([`crate::Handles::Refuse`]): neither of the two is there any more. What
    /// comes after it is.
    #[error("a handle came with a message, and this end may not take any")]
    HandleRefused,
    /// The same, for this process may not open as many files.
    #[error("a handle came with a message, and this process may have no more files open")]
    NoRoomForHandle,
    /// The other end sent what it may not.
    #[error("the other end broke the rules")]
    Broken(#[from] Broken),
    #[error("failed to {what}")]
    System {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`.
    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { what, source: source.into() }
    }
}

/// In what the other end broke the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error(transparent)]
    Packet(#[from] Breach),
    /// Nothing of it was read but its first packet.
    #[error("message of {length} bytes, where at most {max} are taken")]
    TooLarge { length: usize, max: usize },
    #[error("piece of a message at the wrong place")]
    Order,
    #[error("packet without bytes")]
    NoBytes,
    #[error("packet is longer than any may be")]
    Truncated,
    #[error("packet with {found} descriptors instead of {expected}")]
    Descriptors { expected: usize, found: usize },
    #[error("packet with a handle, where none is taken")]
    Handle,
    /// Or this process has no room for the one.
    #[error("packet with more descriptors than there is room for")]
    TooManyDescriptors,
    #[error("a large message's descriptor is no sealed memfd")]
    NotSealed,
    #[error("a large message's memfd has {found} bytes instead of {expected}")]
    Size { expected: usize, found: i64 },
}
