//! A component's stdin, stdout and stderr: the worker's own fds 0, 1 and 2. Nothing is read ahead and nothing is buffered, so
//! no byte is lost and nothing is to be flushed.
//!
//! A guest that waits for one stream waits in its system call. One that waits for several things at once is told by a
//! thread that waits in poll(2) and reads nothing: should something else come first, the thread goes on waiting, and the
//! next wait for that stream joins it.

use super::runtime;
use crate::worker::stdio;
use bytes::{Bytes, BytesMut};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    future::Future,
    io,
    os::fd::BorrowedFd,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdinStream, StdoutStream},
    p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult},
};

/// Most bytes of one read, and what a guest may write after asking for room: what a pipe holds.
const PIECE: usize = 64 << 10;

/// One of the three, and who waits for it.
struct Stream {
    fd: fn() -> BorrowedFd<'static>,
    wanted: PollFlags,
    /// A thread waits for it.
    watched: AtomicBool,
    came: Notify,
}

static IN: Stream = Stream::new(|| crate::sys::process::borrow(0), PollFlags::IN);
static OUT: Stream = Stream::new(|| crate::sys::process::borrow(1), PollFlags::OUT);
static ERR: Stream = Stream::new(|| crate::sys::process::borrow(2), PollFlags::OUT);

impl Stream {
    const fn new(fd: fn() -> BorrowedFd<'static>, wanted: PollFlags) -> Self {
        Self { fd, wanted, watched: AtomicBool::new(false), came: Notify::const_new() }
    }

    /// Whether a call would not wait. What poll(2) can't tell is not waited for.
    fn is_ready(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        !matches!(poll(&mut [self.question()], Some(&now)), Ok(0) | Err(Errno::INTR))
    }

    fn question(&self) -> PollFd<'static> {
        PollFd::from_borrowed_fd((self.fd)(), self.wanted)
    }

    /// Waits until a call would not wait, and lets others go on meanwhile.
    async fn ready(&'static self) {
        while !self.is_ready() {
            let mut came = pin!(self.came.notified());
            // Before the thread is asked for, so that its news can't be missed.
            came.as_mut().enable();
            if !self.watched.swap(true, Ordering::SeqCst) {
                runtime::aside(|| self.watch());
            }
            came.await;
        }
    }

    fn watch(&self) {
        while stdio::wait(&mut [self.question()], None).is_ok() && !self.is_ready() {}
        self.watched.store(false, Ordering::SeqCst);
        self.came.notify_waiters();
    }

    fn write_all(&self, mut bytes: &[u8]) -> StreamResult<()> {
        while !bytes.is_empty() {
            let written = stdio::write_some((self.fd)(), bytes).map_err(failed)?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

fn failed(errno: Errno) -> StreamError {
    match errno {
        Errno::PIPE => StreamError::Closed,
        other => StreamError::LastOperationFailed(io::Error::from(other).into()),
    }
}

/// Reads at most `size` bytes, waiting for at least one.
fn read(size: usize) -> StreamResult<Bytes> {
    let mut buffer = BytesMut::zeroed(size.min(PIECE));
    match stdio::read((IN.fd)(), &mut buffer) {
        Ok(0) => Err(StreamError::Closed),
        Ok(length) => {
            buffer.truncate(length);
            Ok(buffer.freeze())
        }
        Err(errno) => Err(failed(errno)),
    }
}

/// Where the guest reads from.
pub(super) struct Stdin;

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Stdin {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(Concurrent { stream: &IN, waits: None })
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(Self)
    }
}

#[async_trait]
impl Pollable for Stdin {
    async fn ready(&mut self) {
        IN.ready().await;
    }
}

#[async_trait]
impl InputStream for Stdin {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 || !IN.is_ready() { Ok(Bytes::new()) } else { read(size) }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 { Ok(Bytes::new()) } else { read(size) }
    }
}

/// Where the guest writes to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    Out,
    Err,
}

impl Output {
    fn stream(self) -> &'static Stream {
        match self {
            Self::Out => &OUT,
            Self::Err => &ERR,
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Concurrent { stream: self.stream(), waits: None })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(*self)
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        self.stream().ready().await;
    }
}

#[async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.stream().write_all(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(if self.stream().is_ready() { PIECE } else { 0 })
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write(bytes)
    }
}

/// A stream of WASI 0.3, where the guest does other things while it waits.
struct Concurrent {
    stream: &'static Stream,
    waits: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl Concurrent {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waits.is_none() && self.stream.is_ready() {
            return Poll::Ready(());
        }
        let stream = self.stream;
        let waits = self.waits.get_or_insert_with(|| Box::pin(stream.ready()));
        ready!(waits.as_mut().poll(context));
        self.waits = None;
        Poll::Ready(())
    }
}

impl AsyncRead for Concurrent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_ready(context));
        let length = stdio::read((self.stream.fd)(), buffer.initialize_unfilled())?;
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Concurrent {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(context));
        Poll::Ready(Ok(stdio::write_some((self.stream.fd)(), bytes)?))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
