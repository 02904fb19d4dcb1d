//! Workers, clients and listeners of tests.

use super::super::{DispatchSettings, Dispatcher, Membership, Standing, Told};
use crate::access;
use crate::listener::Listener;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandhog_protocol::frame;
use sandhog_protocol::http::{ConnectionId, FromServer, PACKET, Request, ToServer};
use sandhog_sys::ready;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What was told.
#[derive(Default)]
pub(super) struct Hears {
    requests: Mutex<Vec<(String, u64, String)>>,
    breaches: Mutex<Vec<(String, &'static str)>>,
    retired: Mutex<Vec<String>>,
    problems: Mutex<Vec<String>>,
}

impl Hears {
    pub(super) fn requests(&self) -> Vec<(String, u64, String)> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn breaches(&self) -> Vec<(String, &'static str)> {
        self.breaches.lock().unwrap().clone()
    }

    pub(super) fn retired(&self) -> Vec<String> {
        self.retired.lock().unwrap().clone()
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap().clone()
    }
}

impl Told for Hears {
    fn request(&self, attempt: &str, request: &Request, peer: &str) {
        self.requests.lock().unwrap().push((attempt.into(), request.number, peer.into()));
    }

    fn breach(&self, attempt: &str, what: &'static str) {
        self.breaches.lock().unwrap().push((attempt.into(), what));
    }

    fn retires(&self, attempt: &str) {
        self.retired.lock().unwrap().push(attempt.into());
    }

    fn problem(&self, text: &str) {
        self.problems.lock().unwrap().push(text.into());
    }
}

/// A dispatcher that listens.
pub(super) struct Listening;

impl Listening {
    pub(super) fn start(settings: DispatchSettings) -> (Dispatcher, Arc<Hears>, SocketAddr) {
        let hears = Arc::new(Hears::default());
        let dispatcher = Dispatcher::start(settings, hears.clone());
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address();
        dispatcher.listen(listener).unwrap();
        (dispatcher, hears, address)
    }
}

/// A worker's side of its connection.
pub(super) struct Worker {
    socket: AsyncFd<OwnedFd>,
    membership: Membership,
}

/// A packet from the owner.
pub(super) struct Heard {
    pub message: ToServer,
    pub client: Option<OwnedFd>,
}

impl Worker {
    pub(super) fn join(dispatcher: &Dispatcher, attempt: &str) -> Self {
        Self::of(|ours| dispatcher.join(attempt.into(), ours).unwrap())
    }

    pub(super) fn join_held(dispatcher: &Dispatcher, attempt: &str) -> Self {
        Self::of(|ours| dispatcher.join_held(attempt.into(), ours).unwrap())
    }

    fn of(join: impl FnOnce(OwnedFd) -> Membership) -> Self {
        let (ours, theirs) = sandhog_channel::pair().unwrap();
        rustix::io::ioctl_fionbio(&theirs, true).unwrap();
        let membership = join(ours);
        Self { socket: ready::watch_reading(theirs).unwrap(), membership }
    }

    pub(super) fn membership(&self) -> &Membership {
        &self.membership
    }

    pub(super) fn accepts(&self) {
        self.say(&FromServer::Accepts);
    }

    pub(super) fn say(&self, message: &FromServer) {
        self.send(&frame::encode_body(message).unwrap(), false);
    }

    /// Any bytes, with a descriptor or without.
    pub(super) fn send(&self, bytes: &[u8], with_fd: bool) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [self.socket.get_ref().as_fd()];
        if with_fd {
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        }
        sendmsg(self.socket.get_ref(), &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).unwrap();
    }

    pub(super) async fn hear(&self) -> Heard {
        loop {
            let mut ready = self.socket.readable().await.unwrap();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut body = [0; PACKET];
            let received = {
                let buffers = &mut [IoSliceMut::new(&mut body)];
                recvmsg(self.socket.get_ref(), buffers, &mut control, RecvFlags::CMSG_CLOEXEC)
            };
            let Ok(received) = received else {
                ready.clear_ready();
                continue;
            };
            let mut fds = Vec::new();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    fds.extend(rights);
                }
            }
            assert!(fds.len() <= 1);
            let message = frame::decode_body(&body[..received.bytes]).unwrap();
            return Heard { message, client: fds.pop() };
        }
    }

    /// The next message is a connection.
    pub(super) async fn connection(&self) -> (ConnectionId, String, std::net::TcpStream) {
        match self.hear().await {
            Heard { message: ToServer::Connection { id, peer }, client: Some(client) } => (id, peer, client.into()),
            Heard { message, client } => panic!("{message:?} with {client:?}"),
        }
    }

    pub(super) fn finish(&self) {
        self.membership.finish();
    }

    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.membership.standing()
    }

    /// Closes its end, as a process does that dies, and is reaped.
    pub(super) fn die(self) {
        drop(self.socket);
        drop(self.membership);
    }

    /// Closes its end and lives on.
    pub(super) fn hang_up(self) -> Membership {
        drop(self.socket);
        self.membership
    }
}

pub(super) fn request(connection: ConnectionId, number: u64) -> Request {
    Request { number, connection, ..access::tests::request() }
}

pub(super) async fn client(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Both ends of a connection that no listener of a dispatcher has seen.
pub(super) async fn connected() -> (TcpStream, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap()).await;
    (client, listener.accept().await.unwrap().0)
}

/// All that comes until the other end closes; a reset is as good.
pub(super) async fn read_all(client: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        client.readable().await.unwrap();
        match client.try_read_buf(&mut all) {
            Ok(0) => return all,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return all,
        }
    }
}

/// Waits for a condition that the dispatcher's task brings about; the test's own deadline is the limit.
pub(super) async fn soon(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// As many files as this process may have.
pub(super) fn many_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if std::env::var_os(FEW).is_none() && current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    }
}

const FEW: &str = "SANDHOG_TEST_FEW_FILES";

/// Runs this test in a process that may have few files; true in there.
pub(super) fn few_files(test: &str) -> bool {
    if std::env::var_os(FEW).is_some() {
        let few = Some(64);
        setrlimit(Resource::Nofile, Rlimit { current: few, maximum: few }).unwrap();
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program).args(["--exact", test, "--nocapture"]).env(FEW, "1").output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    false
}

/// Of this process, so far.
pub(super) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
