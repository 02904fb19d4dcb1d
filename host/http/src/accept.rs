//! Where connections come from, and who may ask for nothing.

use crate::refused::Refused;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// Its other end goes when the server ends.
pub type Closing = watch::Receiver<()>;

/// A connection, and what its client is told where it may ask for nothing.
pub struct Accepted<S> {
    pub stream: S,
    /// None: it may ask.
    pub stranger: Option<Refused>,
}

/// Where connections come from.
pub trait Accept: Send {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one. Can be given up without losing one.
    fn accept(&self) -> impl Future<Output = io::Result<Accepted<Self::Stream>>> + Send;
}
