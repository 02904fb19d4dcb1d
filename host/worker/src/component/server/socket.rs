//! A client's socket, with what has been read of it already.
//!
//! Must not: know HTTP: [`Framing`] says what is let through.

use super::framing::{Framing, Next};
use super::watch::Watch;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use wasmtime_wasi_http::io::TokioIo;

/// Bytes of a client that are read at once where hyper is not to have all of them.
const TAKE: usize = 4 << 10;

/// See the module.
pub(super) struct Socket {
    reader: TokioIo<Reader>,
    stream: Arc<TcpStream>,
    watch: Arc<Watch>,
}

struct Reader {
    stream: Arc<TcpStream>,
    watch: Arc<Watch>,
    /// For hyper, before anything else.
    first: Vec<u8>,
    taken: usize,
    /// Of HTTP/1.
    framing: Option<Framing>,
}

impl Socket {
    /// `first`: what comes before all that is still to be read of `stream`.
    pub(super) fn framed(stream: Arc<TcpStream>, first: Vec<u8>, watch: Arc<Watch>) -> Self {
        Self::of(stream, first, watch, None)
    }

    /// One of HTTP/1, of which hyper reads as much as `framing` lets through.
    pub(super) fn unframed(stream: Arc<TcpStream>, framing: Framing, watch: Arc<Watch>) -> Self {
        Self::of(stream, Vec::new(), watch, Some(framing))
    }

    fn of(stream: Arc<TcpStream>, first: Vec<u8>, watch: Arc<Watch>, framing: Option<Framing>) -> Self {
        let reader = Reader { stream: Arc::clone(&stream), watch: Arc::clone(&watch), first, taken: 0, framing };
        Self { reader: TokioIo::new(reader), stream, watch }
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        send: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.stream.poll_write_ready(context)?.is_pending() {
                self.watch.sent(false);
                return Poll::Pending;
            }
            match send(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => {
                    self.watch.sent(true);
                    return Poll::Ready(sent);
                }
            }
        }
    }
}

impl Reader {
    /// Whether something was there to be given.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let Some(first) = self.first.get(self.taken..).filter(|first| !first.is_empty()) else { return false };
        let length = first.len().min(buffer.remaining());
        buffer.put_slice(&first[..length]);
        self.taken += length;
        if self.taken == self.first.len() {
            (self.first, self.taken) = (Vec::new(), 0);
        }
        true
    }

    /// Reads the client once.
    fn poll_client(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(length) => {
                    if length > 0 {
                        self.watch.came();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// As much of the client as is let through, or of what it waits for.
    fn poll_framed(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        framing: &mut Framing,
    ) -> Poll<io::Result<()>> {
        loop {
            match framing.next(buffer.remaining()) {
                Next::Give(bytes) => {
                    self.first = bytes;
                    self.give(buffer);
                    return Poll::Ready(Ok(()));
                }
                Next::Take => {
                    let mut bytes = [const { MaybeUninit::uninit() }; TAKE];
                    let mut bytes = ReadBuf::uninit(&mut bytes);
                    ready!(self.poll_client(context, &mut bytes))?;
                    framing.took(bytes.filled());
                }
                Next::Pass => {
                    let before = buffer.filled().len();
                    ready!(self.poll_client(context, buffer))?;
                    let of_it = framing.passes(&buffer.filled()[before..]);
                    let rest = &buffer.filled()[before + of_it..];
                    if !rest.is_empty() {
                        framing.took(rest);
                        buffer.set_filled(before + of_it);
                    }
                    return Poll::Ready(Ok(()));
                }
                Next::Nothing => return Poll::Pending,
            }
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let reader = &mut *self;
        if reader.give(buffer) {
            return Poll::Ready(Ok(()));
        }
        let Some(mut framing) = reader.framing.take() else { return reader.poll_client(context, buffer) };
        let polled = reader.poll_framed(context, buffer, &mut framing);
        reader.framing = Some(framing);
        polled
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(context, buffer)
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Write) {
            // It has closed already.
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(errno) => Poll::Ready(Err(errno.into())),
        }
    }
}
