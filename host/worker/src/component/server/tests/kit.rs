//! The owner of a worker, its clients, and the worker.

use crate::attempt::Outside;
use crate::engine;
use crate::run::run;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    sendmsg, socketpair,
};
use sandhog_channel::Large;
use sandhog_ipc::FrameBuffer;
use sandhog_protocol::frame;
use sandhog_protocol::http::{ConnectionId, FromServer, PACKET, Request, ToServer};
use sandhog_protocol::plan::{GuestPlan, HttpPlan, Kind, Metering};
use sandhog_protocol::worker::{End, Report};
use sandhog_sandbox::descriptors;
use sandhog_sandbox::seccomp::{self, Filter};
use sandhog_sys::descriptors::Newborn;
use sandhog_sys::in_child::in_child;
use sandhog_sys::process::SingleThreaded;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Longer than anything takes here, on a machine with other work to do.
const PATIENCE: Duration = Duration::from_secs(30);

const SERVES: Metering = Metering { fuel: false, epochs: true };

/// The owner of a worker's connections.
pub(super) struct Served {
    link: OwnedFd,
    connections: ConnectionId,
    /// Requests of which it was told, and which nobody has asked for.
    requests: VecDeque<Request>,
}

fn plan() -> HttpPlan {
    HttpPlan {
        isolation: None,
        concurrency: 16,
        waiting: 16,
        connections: 64,
        max_requests: None,
        request_ms: Some(20_000),
        request_memory_bytes: 64 << 20,
        body_bytes: 1 << 20,
        header_bytes: 64 << 10,
        header_ms: 20_000,
        idle_ms: 20_000,
    }
}

/// A compiled guest, and its kind.
fn compiled(guest: &str, metering: Metering) -> (File, Kind) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/guests/{guest}.wasm"));
    let bytes =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: scripts/build-guests.sh", path.display()));
    compile(bytes, metering)
}

fn compile(bytes: Vec<u8>, metering: Metering) -> (File, Kind) {
    let (bytes, kind) = sandhog_compiler::validated(bytes).unwrap();
    let engine = sandhog_compiler::engine::for_compiling(metering, kind, false).unwrap();
    let compiled = match kind {
        Kind::Core => engine.precompile_module(&bytes),
        Kind::Component | Kind::Concurrent => engine.precompile_component(&bytes),
    };
    let mut file = File::from(memfd_create("compiled", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(&compiled.unwrap()).unwrap();
    (file, kind)
}

/// What a worker of `guest` comes to that serves for as long as `clients` take.
pub(super) fn served(guest: &str, change: impl Fn(&mut HttpPlan), clients: impl FnOnce(Served) + Send) -> End {
    let mut http = plan();
    change(&mut http);
    let (file, kind) = compiled(guest, SERVES);
    let (ours, theirs) = sandhog_channel::pair().unwrap();
    // Open for as long as the worker lives, else it ends.
    let (_control, of_worker) = UnixStream::pair().unwrap();
    set_socket_timeout(&ours, Timeout::Recv, Some(PATIENCE)).unwrap();
    let plan = GuestPlan { memory_bytes: 256 << 20, http: Some(Box::new(http)), ..GuestPlan::default() };
    thread::scope(|scope| {
        let served = Served { link: ours, connections: 0, requests: VecDeque::new() };
        let clients = scope.spawn(move || {
            let mut served = served;
            assert_eq!(served.next_told(), Some(FromServer::Accepts));
            clients(served);
        });
        let report = reported(file, kind, SERVES, &plan, (of_worker, Some(theirs)));
        clients.join().unwrap();
        report.end
    })
}

/// What the guest in `file` comes to, in a process of its own that has nothing else open, and the filter of one that serves.
fn reported(
    file: File,
    kind: Kind,
    metering: Metering,
    plan: &GuestPlan,
    (control, connection): (UnixStream, Option<OwnedFd>),
) -> Report {
    let report = in_child(move |answer| {
        let fds = [answer.as_fd(), file.as_fd(), control.as_fd()];
        let fds = fds.into_iter().chain(connection.iter().map(AsFd::as_fd)).map(|fd| fd.as_raw_fd());
        let newborn = Newborn::of_program(&SingleThreaded::claim().unwrap()).unwrap();
        descriptors::keep_only(newborn, &(0..3).chain(fds).collect::<Vec<_>>()).unwrap();
        let prepared = engine::load(metering, kind, file).unwrap();
        rustix::thread::set_no_new_privs(true).unwrap();
        seccomp::apply(Filter::COMPONENT.with_clients()).unwrap();
        let outside = Outside {
            socket: control.as_fd(),
            buffer: FrameBuffer::default(),
            connection,
            large: Large::Memory,
            coredump: None,
            listeners: Vec::new(),
        };
        let report = run(&prepared, plan, Vec::new(), outside);
        answer.write_all(&frame::encode_body(&report).unwrap()).unwrap();
    });
    frame::decode_body(&report).unwrap()
}

/// Why a program is not served, and why a server is not run.
pub(super) fn refusals(server: &str) -> (String, String) {
    let refused = |(file, kind): (File, Kind), metering, plan: &GuestPlan| {
        let (_control, of_worker) = UnixStream::pair().unwrap();
        match reported(file, kind, metering, plan, (of_worker, None)).end {
            End::Refused { reason } => reason,
            other => panic!("{other:?}"),
        }
    };
    let program = compile(b"(module (func (export \"_start\")))".to_vec(), SERVES);
    let serving = GuestPlan { http: Some(Box::new(plan())), ..GuestPlan::default() };
    let runs = Metering::default();
    (refused(program, SERVES, &serving), refused(compiled(server, runs), runs, &GuestPlan::default()))
}

impl Served {
    /// A client, whose connection the worker has been given.
    pub(super) fn client(&mut self) -> UnixStream {
        let (client, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        let client = UnixStream::from(client);
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        rustix::io::ioctl_fionbio(&theirs, true).unwrap();
        self.connections += 1;
        let packet = ToServer::Connection { id: self.connections, peer: "somebody".to_owned() };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let fds = [theirs.as_fd()];
        assert!(beside.push(SendAncillaryMessage::ScmRights(&fds)));
        let packet = frame::encode_body(&packet).unwrap();
        sendmsg(&self.link, &[IoSlice::new(&packet)], &mut beside, SendFlags::NOSIGNAL).unwrap();
        client
    }

    pub(super) fn say(&self, what: &ToServer) {
        rustix::net::send(&self.link, &frame::encode_body(what).unwrap(), SendFlags::NOSIGNAL).unwrap();
    }

    /// Head and body of the answer to this, by a connection of its own.
    pub(super) fn asked(&mut self, request: &[u8]) -> (String, String) {
        let mut client = self.client();
        // One that is refused is not read to its end.
        let _ = client.write_all(request);
        head(&mut client)
    }

    /// None: the worker has gone.
    fn next_told(&mut self) -> Option<FromServer> {
        let mut packet = vec![0; PACKET];
        let (_, length) = recv(&self.link, &mut packet[..], RecvFlags::empty()).unwrap();
        let told = (length > 0).then(|| frame::decode_body(&packet[..length]).unwrap());
        if let Some(FromServer::Requests { ended, .. }) = &told {
            self.requests.extend(ended.iter().cloned());
        }
        told
    }

    /// What it says up to what is waited for.
    pub(super) fn told_until(&mut self, until: impl Fn(&FromServer) -> bool) -> Vec<FromServer> {
        let mut all = Vec::new();
        loop {
            let told = self.next_told().unwrap_or_else(|| panic!("it has gone after {all:?}"));
            all.push(told);
            if all.last().is_some_and(&until) {
                return all;
            }
        }
    }

    /// All that it says until it is gone.
    pub(super) fn all_told(&mut self) -> Vec<FromServer> {
        std::iter::from_fn(|| self.next_told()).collect()
    }

    /// The same, where it is to go.
    pub(super) fn all_told_after_finish(&mut self) -> Vec<FromServer> {
        self.say(&ToServer::Finish);
        self.all_told()
    }

    /// The next request of which it tells.
    pub(super) fn next_request(&mut self) -> Request {
        while self.requests.is_empty() {
            assert!(self.next_told().is_some(), "it has gone");
        }
        self.requests.pop_front().unwrap()
    }
}

/// Waits until a good part of what its socket takes waits for the owner.
pub(super) fn until_some_waits(owner: &Served) {
    const SOME: u64 = 32 << 10;
    let began = std::time::Instant::now();
    while rustix::io::ioctl_fionread(&owner.link).unwrap() < SOME {
        assert!(began.elapsed() < PATIENCE, "nothing is told");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Head and body of an answer.
pub(super) fn head(client: &mut UnixStream) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(client.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let body = match (header(&head, "content-length"), header(&head, "transfer-encoding")) {
        (Some(length), _) => exactly(client, length.parse().unwrap()),
        (None, Some("chunked")) => chunks(client),
        (None, _) => Vec::new(),
    };
    (head, String::from_utf8(body).unwrap())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn exactly(client: &mut UnixStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).unwrap();
    bytes
}

fn chunks(client: &mut UnixStream) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(exactly(client, 1));
        }
        let length = usize::from_str_radix(str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        body.extend(exactly(client, length));
        assert_eq!(exactly(client, 2), b"\r\n");
        if length == 0 {
            return body;
        }
    }
}

pub(super) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// All that still comes, to the end of the connection.
pub(super) fn rest(client: &mut UnixStream) -> Vec<u8> {
    let mut rest = Vec::new();
    match client.read_to_end(&mut rest) {
        Ok(_) => rest,
        // It was closed without having been read to its end.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => rest,
        Err(error) => panic!("{error}"),
    }
}

/// The contents of the next frame of this type: RFC 9113, section 4.1.
pub(super) fn frame_of(client: &mut UnixStream, wanted: u8) -> Vec<u8> {
    loop {
        let head = exactly(client, 9);
        let length = head[..3].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let contents = exactly(client, length);
        if head[3] == wanted {
            return contents;
        }
    }
}
