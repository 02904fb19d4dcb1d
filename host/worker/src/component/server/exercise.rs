//! All of the worker's HTTP with a guest that is none in place of a component, for tests and for a fuzzer: bytes of one client
//! in, and out what was answered, seen and told.
//!
//! Must not: be in a worker.

use super::client;
use super::instances::Instances;
use super::link::{Link, watched};
use super::made::{Made, Seen};
use super::state::Server;
use super::told::Told;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};
use sandhog_protocol::frame;
use sandhog_protocol::http::{self, FromServer, PACKET, RequestEnd};
use sandhog_protocol::plan::HttpPlan;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Plain;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::task::yield_now;
use tokio::time::timeout;

/// Far longer than one client takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Several looks at the event loop.
const TURNS: usize = 400;

/// Bytes of a head, and of a body, at most.
pub(super) const HEAD: u32 = 8 << 10;
pub(super) const BODY: u64 = 64 << 10;

/// What came of one client.
#[derive(Debug)]
pub struct Exercised {
    /// Statuses of its answers by HTTP/1, in their order.
    pub answers: Vec<u16>,
    pub seen: Vec<Seen>,
    /// What the owner was told.
    pub told: Vec<http::Request>,
}

fn plan() -> HttpPlan {
    HttpPlan {
        isolation: None,
        concurrency: 4,
        waiting: 4,
        connections: 1,
        max_requests: None,
        request_ms: None,
        request_memory_bytes: 0,
        body_bytes: BODY,
        header_bytes: HEAD,
        // Nothing here ends by a time.
        header_ms: 60_000,
        idle_ms: 60_000,
    }
}

/// Lets a client send these pieces, one after the other, and then no more.
///
/// # Panics
/// Where it does not come to its end, or [`Exercised::check`] finds something.
#[must_use]
pub fn exercise(pieces: &[&[u8]]) -> Exercised {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let exercised = runtime.block_on(async { timeout(PATIENCE, exercised(pieces)).await.expect("it hangs") });
    exercised.check();
    exercised
}

async fn exercised(pieces: &[&[u8]]) -> Exercised {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (owner, link) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).expect("a pair");
    let (client, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).expect("a pair");
    let made = Arc::new(Made::default());
    let instances = Instances::Made(Arc::clone(&made));
    let server = Arc::new(Server::new(plan(), Told::new(Link::new(link).expect("a link")), instances));
    let serves = tokio::spawn(client::serve(Arc::clone(&server), 1, theirs));
    let tells = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.told.keep_telling().await }
    });
    let hears = tokio::spawn(told(owner));
    let client = UnixStream::from_std(Plain::from(client)).expect("a client");
    let answered = talk(client, pieces).await;
    serves.await.expect("it panicked");
    let told = hears.await.expect("it panicked");
    tells.abort();
    assert_eq!(server.told.in_flight(), 0, "a request has no end");
    Exercised { answers: statuses(&answered), seen: made.seen(), told }
}

/// Sends, and what comes back until the connection ends.
async fn talk(client: UnixStream, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut reads, mut writes) = client.into_split();
    let receives = tokio::spawn(async move {
        let mut answered = Vec::new();
        // What is closed with bytes unread breaks off.
        let _ = reads.read_to_end(&mut answered).await;
        answered
    });
    for piece in pieces {
        if writes.write_all(piece).await.is_err() {
            break;
        }
        yield_now().await;
    }
    // Whoever sends no more before the answer has come is taken for gone by hyper. The event loop is looked at each 61 turns of
    // tasks, so all that can be answered is when these are over.
    for _ in 0..TURNS {
        yield_now().await;
    }
    let _ = writes.shutdown().await;
    receives.await.expect("it panicked")
}

/// What the owner is told of requests, until the connection is closed.
async fn told(owner: OwnedFd) -> Vec<http::Request> {
    let owner = watched(owner, Interest::READABLE).expect("a descriptor");
    let mut all = Vec::new();
    loop {
        let mut packet = vec![0; PACKET];
        let mut ready = owner.readable().await.expect("the event loop");
        let Ok(received) = ready.try_io(|owner| Ok(recv(owner.get_ref(), &mut packet[..], RecvFlags::DONTWAIT)?))
        else {
            continue;
        };
        let (_, length) = received.expect("the owner's end");
        match frame::decode_body(&packet[..length]).expect("a packet") {
            FromServer::Requests { ended, .. } => all.extend(ended),
            FromServer::Closed { .. } => return all,
            FromServer::Accepts | FromServer::Reads { .. } | FromServer::Declined { .. } | FromServer::Retires => {}
        }
    }
}

/// No body here has such a line in it.
fn statuses(answered: &[u8]) -> Vec<u16> {
    let lines = answered.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"HTTP/1."));
    let statuses = lines.filter_map(|line| str::from_utf8(line.get(9..12)?).ok()?.parse().ok());
    statuses.filter(|status| *status >= 200).collect()
}

impl Exercised {
    /// What holds for whatever a client sends.
    ///
    /// # Panics
    /// Where it does not.
    pub fn check(&self) {
        let numbers: Vec<u64> = self.told.iter().map(|request| request.number).collect();
        let mut once = numbers.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), numbers.len(), "a request is told of twice: {self:?}");
        assert!(self.answers.len() <= self.told.len(), "an answer to nothing: {self:?}");
        let answered = self.told.iter().filter(|request| request.end == RequestEnd::Answered).count();
        assert!(answered <= self.seen.len(), "more was answered than the guest had: {self:?}");
        let refused = self.answers.iter().position(|status| *status != 200);
        assert!(refused.is_none_or(|at| at + 1 == self.answers.len()), "an answer behind a refusal: {self:?}");
    }
}
