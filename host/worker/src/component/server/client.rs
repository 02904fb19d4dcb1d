//! One client's connection, from its first byte to its end.
//!
//! Must not: read before the owner knows of it.

use super::answers;
use super::framing::{Framing, Heads};
use super::request::{self, By, answer};
use super::socket::Socket;
use super::state::Server;
use super::watch::{Due, Patience, Watch};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use sandhog_protocol::http::{ConnectionId, FromServer, Version};
use std::future::poll_fn;
use std::io;
use std::net::TcpStream as Plain;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// How long a client may take to see that its connection is over.
const LINGER: Duration = Duration::from_secs(1);

/// How HTTP/2 with prior knowledge begins. Source: RFC 9113, section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Most bytes of the first read.
const FIRST: usize = 4 << 10;

/// Least that hyper's buffer for a connection may have, in bytes (its own bound), and what it may have beside a head.
const BUFFER: usize = 8 << 10;

/// Most requests of one HTTP/2 connection at the same time: as much as browsers open.
const STREAMS: u32 = 128;

/// Bytes of bodies that one HTTP/2 request, and one connection, may have on their way to the guest; and of answers.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;

/// Serves it to its end, and tells the owner.
pub(super) async fn serve(server: Arc<Server>, connection: ConnectionId, socket: OwnedFd) {
    let told = match served(&server, connection, socket).await {
        Taken::Yes => FromServer::Closed { connection },
        Taken::No => FromServer::Declined { connection },
    };
    // Without an owner there is nobody to tell.
    let _ = server.told.say(told).await;
}

/// Whether it was read.
enum Taken {
    Yes,
    No,
}

async fn served(server: &Arc<Server>, connection: ConnectionId, socket: OwnedFd) -> Taken {
    let Ok(stream) = TcpStream::from_std(Plain::from(socket)) else { return Taken::No };
    let patience = Patience {
        head: Duration::from_millis(server.plan.header_ms),
        idle: Duration::from_millis(server.plan.idle_ms),
    };
    match first_bytes_come(server, &stream, patience.idle).await {
        First::Come => {}
        First::Nothing => return Taken::Yes,
        First::NoMore => return Taken::No,
    }
    if server.told.say(FromServer::Reads { connection }).await.is_err() {
        return Taken::Yes;
    }
    let stream = Arc::new(stream);
    let Ok(Ok(first)) = timeout(patience.head, read_first(&stream)).await else { return Taken::Yes };
    let watch = Arc::new(Watch::new(patience));
    if !first.is_empty() {
        watch.came();
    }
    let mut by = By { server: Arc::clone(server), watch: Arc::clone(&watch), connection, heads: None };
    if first.starts_with(PREFACE) {
        framed(by, Socket::framed(stream, first, watch)).await;
    } else {
        let heads = Heads::default();
        by.heads = Some(heads.clone());
        let framing = Framing::new(first, header_bytes(server), heads);
        unframed(by, Socket::unframed(Arc::clone(&stream), framing, watch), &stream).await;
    }
    Taken::Yes
}

enum First {
    Come,
    /// Nothing has come for as long as a connection may be idle.
    Nothing,
    /// The worker is about to end.
    NoMore,
}

async fn first_bytes_come(server: &Server, stream: &TcpStream, idle: Duration) -> First {
    let (mut comes, mut finishing) = (pin!(timeout(idle, stream.readable())), pin!(server.finishing()));
    poll_fn(|context| {
        // First: what another worker would read is not read here.
        if finishing.as_mut().poll(context).is_ready() {
            return Poll::Ready(First::NoMore);
        }
        comes.as_mut().poll(context).map(|come| match come {
            Ok(Ok(())) => First::Come,
            Ok(Err(_)) | Err(_) => First::Nothing,
        })
    })
    .await
}

/// What is there, and more of it until it is clear which protocol it is.
async fn read_first(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(FIRST);
    loop {
        stream.readable().await?;
        match stream.try_read_buf(&mut first) {
            Ok(0) => return Ok(first),
            Ok(_) if first.len() < PREFACE.len() && PREFACE.starts_with(&first) => {}
            Ok(_) => return Ok(first),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// A connection of hyper's, of either protocol.
trait Connection: Future<Output = hyper::Result<()>> {
    /// No more requests after those that are there.
    fn finish(self: Pin<&mut Self>);
}

/// How a connection ended.
enum Ended {
    ByItself(hyper::Result<()>),
    /// The head of a request did not come to its end.
    Head,
    /// Its client took nothing.
    Stuck,
}

/// Most bytes of a head.
fn header_bytes(server: &Server) -> usize {
    usize::try_from(server.plan.header_bytes).unwrap_or(usize::MAX)
}

/// HTTP/1.1 and HTTP/1.0.
async fn unframed(by: By, socket: Socket, stream: &TcpStream) {
    let mut builder = http1::Builder::new();
    let header_bytes = header_bytes(&by.server);
    builder.max_header_size(header_bytes).max_buf_size(header_bytes.saturating_add(BUFFER));
    let theirs = by.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| answer(theirs.clone(), request));
    let ended = {
        let mut connection = pin!(builder.serve_connection(socket, service));
        driven(&by, connection.as_mut()).await
    };
    match ended {
        Ended::ByItself(Err(error)) if error.is_parse() => {
            let status = if error.is_parse_too_large() { 431 } else { 400 };
            request::unread(&by, Version::Http11, status);
        }
        Ended::Head => {
            request::unread(&by, Version::Http11, 408);
            // What does not fit, nobody waits for.
            let _ = stream.try_write(answers::TOO_SLOW);
        }
        Ended::ByItself(_) => {}
        Ended::Stuck => return,
    }
    let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Write);
    let _ = timeout(LINGER, read_away(stream)).await;
}

/// Reads what the client still sends, to its end: closed before that, the kernel says that the connection is broken, and the
/// client may never see its answer. Source: RFC 9112, section 9.6.
async fn read_away(stream: &TcpStream) -> io::Result<()> {
    let mut away = [0; FIRST];
    loop {
        match stream.try_read(&mut away) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.readable().await?,
            Err(error) => return Err(error),
        }
    }
}

/// HTTP/2.
async fn framed(by: By, socket: Socket) {
    by.watch.is_framed();
    let mut builder = http2::Builder::new(Tasks);
    builder
        .max_concurrent_streams(by.server.plan.concurrency.saturating_add(by.server.plan.waiting).clamp(1, STREAMS))
        .max_header_list_size(by.server.plan.header_bytes)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize);
    let theirs = by.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| answer(theirs.clone(), request));
    let mut connection = pin!(builder.serve_connection(socket, service));
    drop(driven(&by, connection.as_mut()).await);
}

/// Lets a connection go on until it ends, is to end, or has to.
async fn driven<C: Connection>(by: &By, mut connection: Pin<&mut C>) -> Ended {
    let mut finishing = pin!(by.server.finishing());
    let (mut is_finishing, mut finishes) = (false, false);
    let mut look = pin!(sleep_until(Instant::now()));
    poll_fn(|context| {
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(Ended::ByItself(ended));
        }
        is_finishing = is_finishing || finishing.as_mut().poll(context).is_ready();
        // Of a head that comes in hyper knows nothing yet, and would take its connection for one that nobody uses.
        if is_finishing && !finishes && !by.watch.is_in_head() {
            finishes = true;
            connection.as_mut().finish();
            context.waker().wake_by_ref();
        }
        match poll_due(&by.watch, look.as_mut(), context) {
            Poll::Ready(Due::Idle) if !finishes => {
                finishes = true;
                connection.as_mut().finish();
                context.waker().wake_by_ref();
                Poll::Pending
            }
            // It was told, and has not gone.
            Poll::Ready(Due::Idle) => Poll::Ready(Ended::Stuck),
            Poll::Ready(Due::Head) => Poll::Ready(Ended::Head),
            Poll::Ready(Due::Stuck) => Poll::Ready(Ended::Stuck),
            Poll::Ready(Due::Later(_)) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Looks when it is time to, and says when something is due.
fn poll_due(watch: &Watch, mut look: Pin<&mut Sleep>, context: &mut Context<'_>) -> Poll<Due> {
    while look.as_mut().poll(context).is_ready() {
        match watch.due() {
            Due::Later(then) => look.as_mut().reset(Instant::from_std(then)),
            due @ (Due::Idle | Due::Head | Due::Stuck) => return Poll::Ready(due),
        }
    }
    Poll::Pending
}

impl<S> Connection for http1::Connection<Socket, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = super::body::Sent>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> Connection for http2::Connection<Socket, S, Tasks>
where
    S: hyper::service::HttpService<Incoming, ResBody = super::body::Sent>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Requests of HTTP/2 are tasks of their own.
#[derive(Clone)]
struct Tasks;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        drop(tokio::spawn(task));
    }
}
