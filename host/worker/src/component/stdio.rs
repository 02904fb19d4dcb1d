//! A component's stdin, stdout and stderr: the worker's own fds 0, 1 and 2. Nothing is read ahead and nothing is buffered, so
//! no byte is lost and nothing is to be flushed.
//!
//! A guest that waits for one stream waits in its system call. One that waits for several things at once is told by a
//! thread that waits in poll(2) and reads nothing: should something else come first, the thread goes on waiting, and the
//! next wait for that stream joins it.

use super::runtime;
use crate::{session::Input, stdio};
use bytes::{Bytes, BytesMut};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use sandhog_sys::descriptors::StandardStream;
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

static IN: Stream = Stream::new(|| StandardStream::Stdin.borrow(), PollFlags::IN);
static OUT: Stream = Stream::new(|| StandardStream::Stdout.borrow(), PollFlags::OUT);
static ERR: Stream = Stream::new(|| StandardStream::Stderr.borrow(), PollFlags::OUT);

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

/// Where the guest reads from.
#[derive(Clone)]
pub(super) struct Stdin {
    pub(super) input: Input,
    pub(super) is_terminal: bool,
}

impl Stdin {
    /// Reads what is there, waiting for at least one byte; 0 at the end.
    fn read_some(&self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        self.input.want();
        match stdio::read((IN.fd)(), buffer)? {
            0 if !buffer.is_empty() => self.input.failure().map_or(Ok(0), Err),
            length => Ok(length),
        }
    }

    /// At most `size` bytes, which is not 0.
    fn piece(&self, size: usize) -> StreamResult<Bytes> {
        let mut buffer = BytesMut::zeroed(size.min(PIECE));
        match self.read_some(&mut buffer) {
            Ok(0) => Err(StreamError::Closed),
            Ok(length) => {
                buffer.truncate(length);
                Ok(buffer.freeze())
            }
            Err(errno) => Err(failed(errno)),
        }
    }
}

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        self.is_terminal
    }
}

impl StdinStream for Stdin {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(Reader { stdin: self.clone(), waits: Waits::new(&IN) })
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stdin {
    async fn ready(&mut self) {
        self.input.want();
        IN.ready().await;
    }
}

#[async_trait]
impl InputStream for Stdin {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.input.want();
        if size == 0 || !IN.is_ready() { Ok(Bytes::new()) } else { self.piece(size) }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 { Ok(Bytes::new()) } else { self.piece(size) }
    }
}

/// Where the guest writes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) to: To,
    pub(super) is_terminal: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    Out,
    Err,
}

impl Output {
    fn stream(self) -> &'static Stream {
        match self.to {
            To::Out => &OUT,
            To::Err => &ERR,
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        self.is_terminal
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Writer(Waits::new(self.stream())))
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
struct Waits {
    stream: &'static Stream,
    ready: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl Waits {
    const fn new(stream: &'static Stream) -> Self {
        Self { stream, ready: None }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.ready.is_none() && self.stream.is_ready() {
            return Poll::Ready(());
        }
        let stream = self.stream;
        let ready = self.ready.get_or_insert_with(|| Box::pin(stream.ready()));
        ready!(ready.as_mut().poll(context));
        self.ready = None;
        Poll::Ready(())
    }
}

struct Reader {
    stdin: Stdin,
    waits: Waits,
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stdin.input.want();
        ready!(self.waits.poll(context));
        let length = self.stdin.read_some(buffer.initialize_unfilled())?;
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}

struct Writer(Waits);

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.0.poll(context));
        Poll::Ready(Ok(stdio::write_some((self.0.stream.fd)(), bytes)?))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
