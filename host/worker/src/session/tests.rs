use super::connection::Counts;
use super::*;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType, sendmsg};
use sandhog_channel::{Endpoint, Handles, Large, Progress, Timeout};
use sandhog_ipc::{FrameBuffer, pair, recv_frame};
use sandhog_protocol::frame;
use sandhog_protocol::limits;
use sandhog_protocol::message::Format;
use sandhog_protocol::plan::{GuestPlan, Identity};
use sandhog_protocol::request::{ChildId, ChildJob, ChildLimits, ChildStdio, Refused, Reply, Request};
use sandhog_protocol::usage::{LiveUsage, WorkerUsage};
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_protocol::worker::{FromWorker, ToWorker};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(5);

/// The other end of a worker's socket.
pub(super) struct Coordinator {
    socket: OwnedFd,
    buffer: FrameBuffer,
}

impl Coordinator {
    pub(super) fn tells(&self, reply: Reply) {
        self.tells_with(reply, &[]);
    }

    /// As the coordinator does it: the whole frame in one call.
    pub(super) fn tells_with(&self, reply: Reply, fds: &[BorrowedFd<'_>]) {
        let frame = frame::encode(&ToWorker::Tells(reply)).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(fds)));
        let sent = sendmsg(&self.socket, &[IoSlice::new(&frame)], &mut control, SendFlags::empty()).unwrap();
        assert_eq!(sent, frame.len());
    }

    pub(super) fn hears(&mut self) -> Request {
        match recv_frame(&self.socket, &mut self.buffer).unwrap().unwrap() {
            FromWorker::Asks(request) => request,
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn session() -> (Session, Coordinator) {
    let (socket, other) = pair(SocketType::STREAM).unwrap();
    let plan = GuestPlan { objects: true, ..GuestPlan::default() };
    let session = Session::new(socket, FrameBuffer::default(), None, Large::Memory, &plan);
    (session, Coordinator { socket: other, buffer: FrameBuffer::default() })
}

fn job(connected: bool, stdio: [ChildStdio; 3]) -> ChildJob {
    ChildJob {
        module: "child".to_owned(),
        arguments: Vec::new(),
        environment: Vec::new(),
        directories: Vec::new(),
        modules: Vec::new(),
        objects: Vec::new(),
        max_objects: 0,
        passed: false,
        limits: ChildLimits::default(),
        data: None,
        stdio,
        connected,
        detached: false,
        fresh: false,
    }
}

const NULL: [ChildStdio; 3] = [ChildStdio::Null; 3];

fn spawned(child: ChildId) -> Reply {
    Reply::Spawned { child, attempt: format!("attempt-{child}") }
}

fn ended(child: ChildId, code: u32) -> Reply {
    Reply::ChildEnded { child, verdict: Verdict::Failed { code }, code, usage: Usage::default() }
}

/// A child without any end.
fn plain_child(session: &mut Session, coordinator: &mut Coordinator, id: ChildId) {
    coordinator.tells(spawned(id));
    assert_eq!(session.spawn(job(false, NULL), &[]), Ok(id));
    assert!(matches!(coordinator.hears(), Request::Spawn(_)));
}

/// A child with a connection, and the child's end of it.
fn connected_child(session: &mut Session, coordinator: &mut Coordinator, id: ChildId) -> (Connection, Endpoint) {
    let (here, there) = pair(SocketType::SEQPACKET).unwrap();
    coordinator.tells_with(spawned(id), &[here.as_fd()]);
    assert_eq!(session.spawn(job(true, NULL), &[]), Ok(id));
    assert!(matches!(coordinator.hears(), Request::Spawn(_)));
    (session.connection_to(id).unwrap(), Endpoint::new(there, limits::MESSAGE))
}

fn soon() -> Until {
    Until::At(Instant::now() + SOON)
}

fn say(endpoint: &mut Endpoint, text: &str) {
    endpoint.send(Format::Bytes, text.as_bytes(), Timeout::Never).unwrap();
}

#[test]
fn a_child_has_the_ends_that_came_with_it_in_their_order() {
    let (mut session, coordinator) = session();
    let (connection, child_end) = pair(SocketType::SEQPACKET).unwrap();
    let (from_stdin, stdin) = rustix::pipe::pipe().unwrap();
    let (stderr, to_stderr) = rustix::pipe::pipe().unwrap();
    // Something else has been said before.
    coordinator.tells(Reply::Stop);
    coordinator.tells_with(spawned(7), &[connection.as_fd(), stdin.as_fd(), stderr.as_fd()]);
    let stdio = [ChildStdio::Piped, ChildStdio::Null, ChildStdio::Piped];
    let child = session.spawn(job(true, stdio), &[]).unwrap();
    assert_eq!((child, session.attempt_of(child)), (7, "attempt-7"));
    assert!(session.news.stops());

    session.connection_to(child).unwrap().send(&mut Progress::default(), Format::Bytes, b"hello").unwrap();
    assert_eq!(Endpoint::new(child_end, limits::MESSAGE).recv(Timeout::Now).unwrap().body, b"hello");
    let stdin = session.take_stream(child, 0).unwrap();
    assert_eq!(write(stdin.as_fd(), b"in"), Ok(2));
    let mut bytes = [0; 8];
    assert_eq!(rustix::io::read(&from_stdin, &mut bytes), Ok(2));
    rustix::io::write(&to_stderr, b"err").unwrap();
    let stderr = session.take_stream(child, 2).unwrap();
    assert_eq!(session.read(&stderr, 100, Until::Forever), Ok(b"err".to_vec()));
    assert!(session.take_stream(child, 1).is_none());
    assert!(session.take_stream(child, 0).is_none());
}

#[test]
fn an_answer_in_pieces_is_waited_for() {
    let (mut session, coordinator) = session();
    let (here, _there) = pair(SocketType::SEQPACKET).unwrap();
    let frame = frame::encode(&ToWorker::Tells(spawned(1))).unwrap();
    let socket = coordinator.socket.try_clone().unwrap();
    let sender = thread::spawn(move || {
        let (first, rest) = frame.split_at(3);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [here.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&socket, &[IoSlice::new(first)], &mut control, SendFlags::empty()).unwrap();
        rustix::io::write(&socket, rest).unwrap();
    });
    assert_eq!(session.spawn(job(true, NULL), &[]), Ok(1));
    sender.join().unwrap();
    assert!(session.connection_to(1).is_some());
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let (mut session, coordinator) = session();
    for (reason, error) in [
        (Refused::Denied("a".into()), Error::Denied("a".into())),
        (Refused::NotFound("b".into()), Error::NotFound("b".into())),
        (Refused::Invalid("c".into()), Error::Invalid("c".into())),
        (Refused::Quota("d".into()), Error::Quota("d".into())),
    ] {
        coordinator.tells(Reply::NotSpawned(reason));
        assert_eq!(session.spawn(job(false, NULL), &[]), Err(error));
    }
}

#[test]
fn what_a_child_uses_is_asked_for_and_its_messages_are_counted_here() {
    let (mut session, mut coordinator) = session();
    let (connection, mut child) = connected_child(&mut session, &mut coordinator, 1);
    plain_child(&mut session, &mut coordinator, 2);
    connection.send(&mut Progress::default(), Format::Bytes, b"x").unwrap();
    for text in ["a", "b"] {
        say(&mut child, text);
        session.recv(&connection, Until::Forever).unwrap();
    }
    let usage = LiveUsage { cpu_us: 7, ..LiveUsage::default() };
    // News that comes before the answer is not lost.
    coordinator.tells(Reply::Stop);
    coordinator.tells(Reply::Used(WorkerUsage::Alive(usage)));
    assert_eq!(session.usage(1), Ok((usage, Counts { received: 2, sent: 1 })));
    assert_eq!(coordinator.hears(), Request::Usage { child: 1 });
    assert_eq!(session.stopping(Until::Now), Ok(true));
    coordinator.tells(Reply::Used(WorkerUsage::Alive(usage)));
    assert_eq!(session.usage(2), Ok((usage, Counts::default())));
}

#[test]
fn what_nobody_can_tell_of_a_child_is_told_so_and_of_one_that_has_ended_nobody_is_asked() {
    let (mut session, mut coordinator) = session();
    plain_child(&mut session, &mut coordinator, 1);
    coordinator.tells(Reply::Used(WorkerUsage::Unknown));
    assert!(matches!(session.usage(1), Err(Error::NotFound(_))));
    coordinator.tells(Reply::Used(WorkerUsage::Ended));
    assert_eq!(session.usage(1), Err(Error::Closed));
    coordinator.tells(ended(1, 0));
    assert!(session.verdict(1, Until::Forever).is_ok());
    assert_eq!(session.usage(1), Err(Error::Closed));
    session.heartbeat().unwrap();
    let heard = [coordinator.hears(), coordinator.hears(), coordinator.hears()];
    assert_eq!(heard, [Request::Usage { child: 1 }, Request::Usage { child: 1 }, Request::Heartbeat]);
}

#[test]
fn an_answer_to_something_else_is_none() {
    let (mut session, mut coordinator) = session();
    plain_child(&mut session, &mut coordinator, 1);
    coordinator.tells(spawned(2));
    assert_eq!(session.usage(1), Err(Error::Gone));
    coordinator.tells(Reply::Used(WorkerUsage::Ended));
    assert_eq!(session.spawn(job(false, NULL), &[]), Err(Error::Gone));
}

#[test]
fn a_child_whose_descriptors_found_no_room_is_killed() {
    let (mut session, mut coordinator) = session();
    let (here, there) = rustix::pipe::pipe().unwrap();
    coordinator.tells_with(spawned(3), &[here.as_fd()]);
    let stdio = [ChildStdio::Null, ChildStdio::Piped, ChildStdio::Piped];
    assert!(matches!(session.spawn(job(false, stdio), &[]), Err(Error::Quota(_))));
    assert!(matches!(coordinator.hears(), Request::Spawn(_)));
    assert_eq!(coordinator.hears(), Request::Kill { child: 3 });
    // What did come has been closed.
    drop(here);
    assert_eq!(rustix::io::write(&there, b"x"), Err(rustix::io::Errno::PIPE));
}

#[test]
fn a_verdict_is_kept_whether_it_comes_before_or_after_somebody_waits() {
    let (mut session, mut coordinator) = session();
    plain_child(&mut session, &mut coordinator, 1);
    // While another one is being started.
    coordinator.tells(ended(1, 3));
    plain_child(&mut session, &mut coordinator, 2);
    assert_eq!(session.verdict(1, Until::Now).unwrap().code, 3);
    assert_eq!(session.verdict(1, Until::Now).unwrap().code, 3);

    assert_eq!(session.verdict(2, Until::Now), Err(Error::WouldBlock));
    assert_eq!(session.verdict(2, soon()), Err(Error::TimedOut));
    let teller = thread::spawn(move || {
        coordinator.tells(ended(2, 4));
        coordinator
    });
    assert_eq!(session.verdict(2, Until::Forever).unwrap().code, 4);
    teller.join().unwrap();
}

#[test]
fn news_that_come_with_an_answer_are_not_lost() {
    let (mut session, coordinator) = session();
    coordinator.tells(spawned(1));
    coordinator.tells(ended(1, 5));
    coordinator.tells(Reply::Stop);
    assert_eq!(session.spawn(job(false, NULL), &[]), Ok(1));
    assert_eq!(session.verdict(1, Until::Now).unwrap().code, 5);
    assert_eq!(session.stopping(Until::Now), Ok(true));
}

#[test]
fn the_end_of_a_child_that_was_forgotten_is_no_matter() {
    let (mut session, mut coordinator) = session();
    let (connection, mut child) = connected_child(&mut session, &mut coordinator, 1);
    session.forget(1);
    coordinator.tells(ended(1, 0));
    assert_eq!(session.stopping(Until::Now), Ok(false));
    // Its connection lives on with its own handles.
    connection.send(&mut Progress::default(), Format::Bytes, b"x").unwrap();
    drop(connection);
    assert_eq!(child.recv(Timeout::Now).unwrap().body, b"x");
    assert!(matches!(child.recv(Timeout::Now), Err(sandhog_channel::Error::Closed)));
}

#[test]
fn a_guest_listens_from_its_first_question_on() {
    let (mut session, mut coordinator) = session();
    assert_eq!(session.stopping(Until::Now), Ok(false));
    assert_eq!(session.stopping(soon()), Ok(false));
    session.heartbeat().unwrap();
    assert_eq!([coordinator.hears(), coordinator.hears()], [Request::Listens, Request::Heartbeat]);
    coordinator.tells(Reply::Stop);
    assert_eq!(session.stopping(Until::Forever), Ok(true));
    assert_eq!(session.stopping(Until::Now), Ok(true));
}

#[test]
fn one_wait_knows_every_kind_of_source() {
    let (mut session, mut coordinator) = session();
    let (connection, mut child) = connected_child(&mut session, &mut coordinator, 1);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let sources = [
        Source::Message(&connection),
        Source::Readable(reader.as_fd()),
        Source::Ended(1),
        Source::Stopping,
        Source::Message(&connection),
    ];
    assert_eq!(session.wait(&sources, Until::Now), Err(Error::WouldBlock));
    assert_eq!(session.wait(&sources, soon()), Err(Error::TimedOut));
    rustix::io::write(&writer, b"x").unwrap();
    assert_eq!(session.wait(&sources, Until::Forever), Ok(vec![1]));
    coordinator.tells(Reply::Stop);
    assert_eq!(session.wait(&sources, Until::Forever), Ok(vec![1, 3]));
    say(&mut child, "x");
    assert_eq!(session.wait(&sources, Until::Now), Ok(vec![0, 1, 3, 4]));
    coordinator.tells(ended(1, 0));
    assert_eq!(session.wait(&sources, Until::Now), Ok(vec![0, 1, 2, 3, 4]));
}

#[test]
fn whoever_has_gone_ends_a_wait_for_it() {
    let (mut session, mut coordinator) = session();
    let (connection, child) = connected_child(&mut session, &mut coordinator, 1);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop((child, writer));
    let sources = [Source::Stopping, Source::Message(&connection), Source::Readable(reader.as_fd())];
    assert_eq!(session.wait(&sources, Until::Forever), Ok(vec![1, 2]));
    assert_eq!(session.recv(&connection, Until::Forever), Err(Error::Closed));
    assert_eq!(session.read(&reader, 1, Until::Forever), Err(Error::Closed));
    connection.disconnect();
    assert_eq!(session.wait(&sources[..2], Until::Forever), Ok(vec![1]));
    assert_eq!(session.recv(&connection, Until::Forever), Err(Error::Closed));
}

#[test]
fn messages_that_arrived_together_are_due_one_after_the_other() {
    let (mut session, mut coordinator) = session();
    let (connection, mut child) = connected_child(&mut session, &mut coordinator, 1);
    child.send_batch(&[0x92, 0xc4, 1, b'a', 0xc4, 1, b'b'], Timeout::Never).unwrap();
    assert_eq!(session.recv(&connection, Until::Forever).unwrap().body, b"a");
    assert_eq!(session.wait(&[Source::Message(&connection)], Until::Now), Ok(vec![0]));
    assert_eq!(session.recv(&connection, Until::Now).unwrap().body, b"b");
    assert_eq!(session.wait(&[Source::Message(&connection)], Until::Now), Err(Error::WouldBlock));
}

#[test]
fn a_message_that_comes_later_is_waited_for() {
    let (mut session, mut coordinator) = session();
    let (connection, mut child) = connected_child(&mut session, &mut coordinator, 1);
    assert_eq!(session.recv(&connection, Until::Now), Err(Error::WouldBlock));
    assert_eq!(session.recv(&connection, soon()), Err(Error::TimedOut));
    let sender = thread::spawn(move || {
        say(&mut child, "late");
        child
    });
    assert_eq!(session.recv(&connection, Until::Forever).unwrap().body, b"late");
    sender.join().unwrap();
}

#[test]
fn room_is_waited_for() {
    let (mut session, mut coordinator) = session();
    let (connection, mut child) = connected_child(&mut session, &mut coordinator, 1);
    let mut sent = 0;
    while connection.send(&mut Progress::default(), Format::Bytes, &[7; 10_000]).is_ok() {
        sent += 1;
    }
    assert!(sent > 2);
    assert_eq!(session.wait_for(Source::Room(&connection), soon()), Err(Error::TimedOut));
    let reader = thread::spawn(move || {
        for _ in 0..sent {
            assert_eq!(child.recv(Timeout::Never).unwrap().body.len(), 10_000);
        }
        child
    });
    assert_eq!(session.wait_for(Source::Room(&connection), Until::Forever), Ok(()));
    connection.send(&mut Progress::default(), Format::Bytes, b"x").unwrap();
    reader.join().unwrap();
}

#[test]
fn each_call_has_its_own_answer() {
    let (mut session, mut coordinator) = session();
    let (connection, mut child) = connected_child(&mut session, &mut coordinator, 1);
    let task = |session: &mut Session, until| {
        connection.send(&mut Progress::default(), Format::Bytes, b"task").unwrap();
        connection.owes_answer();
        session.answer(1, &connection, until).map(|message| message.body)
    };
    assert_eq!(task(&mut session, Until::Now), Err(Error::WouldBlock));
    assert_eq!(task(&mut session, soon()), Err(Error::TimedOut));
    for answer in ["first", "second", "third"] {
        say(&mut child, answer);
    }
    assert_eq!(task(&mut session, Until::Forever), Ok(b"third".to_vec()));
    // One that the guest fetches by itself is not waited for again.
    assert_eq!(task(&mut session, Until::Now), Err(Error::WouldBlock));
    say(&mut child, "fourth");
    assert_eq!(session.recv(&connection, Until::Forever).unwrap().body, b"fourth");
    say(&mut child, "fifth");
    assert_eq!(task(&mut session, Until::Forever), Ok(b"fifth".to_vec()));
}

#[test]
fn a_task_over_which_the_child_dies_is_poisoned_with_its_verdict() {
    let (mut session, mut coordinator) = session();
    let (connection, child) = connected_child(&mut session, &mut coordinator, 1);
    connection.send(&mut Progress::default(), Format::Bytes, b"task").unwrap();
    connection.owes_answer();
    drop(child);
    // The verdict comes a little after the end of the connection.
    assert_eq!(session.answer(1, &connection, soon()), Err(Error::TimedOut));
    coordinator.tells(ended(1, 9));
    let Err(Error::Poisoned(ended)) = session.answer(1, &connection, Until::Forever) else { panic!("not poisoned") };
    assert_eq!(ended.code, 9);
    connection.disconnect();
    assert_eq!(session.answer(1, &connection, Until::Forever), Err(Error::Closed));
}

#[test]
fn without_a_coordinator_no_wait_goes_on() {
    let (mut session, mut coordinator) = session();
    let (connection, _child) = connected_child(&mut session, &mut coordinator, 1);
    let (reader, _writer) = rustix::pipe::pipe().unwrap();
    drop(coordinator);
    let hour = Until::At(Instant::now() + Duration::from_secs(3600));
    assert_eq!(session.recv(&connection, hour), Err(Error::Gone));
    assert_eq!(session.wait(&[Source::Message(&connection)], Until::Forever), Err(Error::Gone));
    assert_eq!(session.wait(&[Source::Readable(reader.as_fd())], Until::Forever), Err(Error::Gone));
    assert_eq!(session.verdict(1, Until::Forever), Err(Error::Gone));
    assert_eq!(session.spawn(job(false, NULL), &[]), Err(Error::Gone));
    assert_eq!(session.stopping(Until::Forever), Err(Error::Gone));
    assert_eq!(session.heartbeat(), Err(Error::Gone));
}

#[test]
fn an_answer_that_nobody_asked_for_is_a_breach() {
    let (mut session, coordinator) = session();
    coordinator.tells(spawned(1));
    assert_eq!(session.stopping(Until::Forever), Err(Error::Gone));
}

#[test]
fn what_was_read_with_go_is_not_lost() {
    let (socket, other) = pair(SocketType::STREAM).unwrap();
    let coordinator = Coordinator { socket: other, buffer: FrameBuffer::default() };
    coordinator.tells(Reply::Stop);
    let mut buffer = FrameBuffer::default();
    buffer.fill(&socket).unwrap();
    let mut session = Session::new(socket, buffer, None, Large::Memory, &GuestPlan::default());
    assert_eq!(session.stopping(Until::Now), Ok(true));
}

#[test]
fn a_stream_takes_what_it_has_room_for() {
    let (mut session, coordinator) = session();
    let (from_stdin, stdin) = rustix::pipe::pipe().unwrap();
    coordinator.tells_with(spawned(1), &[stdin.as_fd()]);
    drop(stdin);
    session.spawn(job(false, [ChildStdio::Piped, ChildStdio::Null, ChildStdio::Null]), &[]).unwrap();
    let stdin = session.take_stream(1, 0).unwrap();
    let bytes = vec![1; 1 << 20];
    let taken = write(stdin.as_fd(), &bytes).unwrap();
    assert!(taken > 0 && taken < bytes.len() as u64);
    assert_eq!(write(stdin.as_fd(), &bytes), Err(Error::WouldBlock));
    assert_eq!(session.wait_for(Source::Writable(stdin.as_fd()), soon()), Err(Error::TimedOut));
    drop(from_stdin);
    assert_eq!(session.wait_for(Source::Writable(stdin.as_fd()), Until::Forever), Ok(()));
    assert_eq!(write(stdin.as_fd(), &bytes), Err(Error::Closed));
}

#[test]
fn a_read_gives_no_more_than_was_asked_for() {
    let (mut session, _coordinator) = session();
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    streams::never_block(&reader).unwrap();
    assert_eq!(session.read(&reader, 4, Until::Now), Err(Error::WouldBlock));
    rustix::io::write(&writer, b"hello").unwrap();
    assert_eq!(session.read(&reader, 4, Until::Now), Ok(b"hell".to_vec()));
    assert_eq!(session.read(&reader, u64::MAX, Until::Now), Ok(b"o".to_vec()));
    assert!(matches!(session.read(&reader, 0, Until::Now), Err(Error::Invalid(_))));
    drop(writer);
    assert_eq!(session.read(&reader, 4, Until::Now), Err(Error::Closed));
}

#[test]
fn progress_is_told_now_and_then_and_at_its_end() {
    let (mut session, mut coordinator) = session();
    for done in 0..=1000 {
        session.progress(done, Some(1000), "counting").unwrap();
    }
    session.ready().unwrap();
    session.ready().unwrap();
    session.heartbeat().unwrap();
    let mut told = Vec::new();
    let next = loop {
        match coordinator.hears() {
            Request::Progress { done, .. } => told.push(done),
            other => break other,
        }
    };
    assert_eq!((told.first(), told.last()), (Some(&0), Some(&1000)));
    assert!(told.len() < 500, "{}", told.len());
    assert_eq!((next, coordinator.hears()), (Request::Ready, Request::Heartbeat));
}

#[test]
fn a_request_that_fits_into_no_frame_is_invalid() {
    let (mut session, _coordinator) = session();
    let text = "x".repeat(frame::HEADER + sandhog_protocol::limits::FRAME);
    assert!(matches!(session.retire(text), Err(Error::Invalid(_))));
}

#[test]
fn the_counts_of_a_connection_outlive_it() {
    let (socket, _other) = pair(SocketType::STREAM).unwrap();
    let (here, there) = pair(SocketType::SEQPACKET).unwrap();
    let mut session = Session::new(socket, FrameBuffer::default(), Some(here), Large::Memory, &GuestPlan::default());
    let (parent, mut there) = (session.parent().unwrap(), Endpoint::new(there, limits::MESSAGE));
    parent.send(&mut Progress::default(), Format::Value, &[0xc0]).unwrap();
    parent.send(&mut Progress::default(), Format::Value, &[0xc0]).unwrap();
    say(&mut there, "x");
    session.recv(&parent, Until::Forever).unwrap();
    session.parent().unwrap().disconnect();
    assert_eq!(session.counts(), Counts { received: 1, sent: 2 });
    assert_eq!(parent.send(&mut Progress::default(), Format::Value, &[0xc0]), Err(Error::Closed));
    assert_eq!(there.recv(Timeout::Now).unwrap().body, [0xc0]);
}

#[test]
fn times_that_no_clock_reaches_are_for_ever() {
    assert_eq!(Until::of(None), Until::Forever);
    assert_eq!(Until::of(Some(0)), Until::Now);
    assert!(matches!(Until::of(Some(u64::MAX)), Until::At(_) | Until::Forever));
    assert_eq!(session().0.wait(&[Source::Stopping], Until::of(Some(1))), Err(Error::TimedOut));
}

#[test]
fn a_session_can_be_part_of_a_store() {
    fn send<T: Send>() {}
    send::<Session>();
    send::<Connection>();
}

/// A session whose messages go in pieces, with a connection to its parent; the parent's end.
fn in_pieces() -> (Session, Connection, Coordinator, Endpoint) {
    let (socket, other) = pair(SocketType::STREAM).unwrap();
    let (here, there) = sandhog_channel::pair().unwrap();
    let session = Session::new(socket, FrameBuffer::default(), Some(here), Large::Pieces, &GuestPlan::default());
    let connection = session.parent().unwrap();
    let there = Endpoint::new(there, limits::MESSAGE).sending(Large::Pieces);
    (session, connection, Coordinator { socket: other, buffer: FrameBuffer::default() }, there)
}

/// As the guest's call does it.
fn send(session: &mut Session, connection: &Connection, body: &[u8], until: Until) -> Result<(), Error> {
    let mut progress = Progress::default();
    session.patiently(Source::Room(connection), until, || connection.send(&mut progress, Format::Bytes, body))
}

#[test]
fn a_part_of_a_message_is_not_waited_for_as_a_message() {
    let (mut session, connection, _coordinator, mut parent) = in_pieces();
    let (body, mut progress) = (vec![7; 1 << 20], Progress::default());
    let message = [Source::Message(&connection)];
    let mut parts = 0;
    while parent.send_on(&mut progress, Format::Bytes, &body, Timeout::Now).is_err() {
        assert_eq!(session.wait(&message, Until::Now), Err(Error::WouldBlock));
        assert_eq!(session.wait(&message, soon()), Err(Error::TimedOut));
        parts += 1;
    }
    assert!(parts > 2, "{parts}");
    assert_eq!(session.wait(&message, Until::Forever), Ok(vec![0]));
    assert!(session.recv(&connection, Until::Now).unwrap().body == body);
}

#[test]
fn two_that_send_large_messages_to_each_other_do_not_wait_for_ever() {
    let (mut session, connection, _coordinator, mut parent) = in_pieces();
    let body = vec![7; 5 << 20];
    let expected = body.clone();
    let other = thread::spawn(move || {
        parent.send(Format::Bytes, &expected, Timeout::Never).unwrap();
        assert!(parent.recv(Timeout::Never).unwrap().body == expected);
        assert_eq!(parent.recv(Timeout::Never).unwrap().body, b"small");
        parent
    });
    let minute = Until::At(Instant::now() + Duration::from_secs(60));
    assert_eq!(send(&mut session, &connection, &body, minute), Ok(()));
    assert_eq!(send(&mut session, &connection, b"small", minute), Ok(()));
    assert_eq!(session.wait(&[Source::Message(&connection)], minute), Ok(vec![0]));
    assert!(session.recv(&connection, Until::Now).unwrap().body == body);
    // Nobody takes this one, and what comes meanwhile makes nobody spin or forget the time.
    let mut parent = other.join().unwrap();
    parent.send(Format::Bytes, b"one", Timeout::Never).unwrap();
    parent.send(Format::Bytes, b"two", Timeout::Never).unwrap();
    assert_eq!(send(&mut session, &connection, &body, soon()), Err(Error::TimedOut));
    assert_eq!(send(&mut session, &connection, &body, Until::Now), Err(Error::WouldBlock));
    assert_eq!(session.recv(&connection, Until::Now).unwrap().body, b"one");
    drop(parent);
    assert_eq!(send(&mut session, &connection, &body, Until::Forever), Err(Error::Closed));
    assert_eq!(session.recv(&connection, Until::Forever).unwrap().body, b"two");
    assert_eq!(session.recv(&connection, Until::Forever), Err(Error::Closed));
}

#[test]
fn a_message_over_the_limit_is_told_once_and_the_connection_is_closed() {
    let (mut session, mut coordinator) = session();
    let (connection, mut child) = connected_child(&mut session, &mut coordinator, 1);
    connection.limit(1000);
    say(&mut child, "small");
    child.send(Format::Bytes, &[7; 1001], Timeout::Never).unwrap();
    say(&mut child, "behind it");
    let message = [Source::Message(&connection)];
    assert_eq!(session.recv(&connection, Until::Now).unwrap().body, b"small");
    assert_eq!(session.wait(&message, Until::Forever), Ok(vec![0]));
    assert_eq!(session.recv(&connection, Until::Forever), Err(Error::TooLarge { max: 1000 }));
    assert_eq!(session.wait(&message, Until::Forever), Ok(vec![0]));
    assert_eq!(session.recv_batch(&connection, Until::Forever), Err(Error::Closed));
    assert_eq!(connection.send(&mut Progress::default(), Format::Bytes, b"x"), Err(Error::Closed));
    assert_eq!(connection.counts(), Counts { received: 1, sent: 0 });
    assert!(matches!(child.send(Format::Bytes, b"x", Timeout::Never), Err(sandhog_channel::Error::Closed)));
}

#[test]
fn an_answer_over_the_limit_is_no_death_of_the_child() {
    let (mut session, mut coordinator) = session();
    let (connection, mut child) = connected_child(&mut session, &mut coordinator, 1);
    connection.limit(1000);
    connection.send(&mut Progress::default(), Format::Bytes, b"task").unwrap();
    connection.owes_answer();
    child.send(Format::Bytes, &vec![7; 100_000], Timeout::Never).unwrap();
    assert_eq!(session.answer(1, &connection, Until::Forever), Err(Error::TooLarge { max: 1000 }));
    // It lives, so that nobody waits for its verdict.
    assert_eq!(session.answer(1, &connection, Until::Forever), Err(Error::Closed));
    assert_eq!(session.poisoned(1, &connection, Until::Forever), Error::Closed);
}

/// A session with a connection to a parent that is another job, and the right to take sockets or not; the parent's end.
fn with_parent(passed: bool) -> (Session, Connection, Coordinator, Endpoint) {
    let (socket, other) = pair(SocketType::STREAM).unwrap();
    let (here, there) = sandhog_channel::pair().unwrap();
    let identity = Identity { parent: Some("parent".to_owned()), ..Identity::default() };
    let plan = GuestPlan { sockets: true, passed, identity, ..GuestPlan::default() };
    let session = Session::new(socket, FrameBuffer::default(), Some(here), Large::Memory, &plan);
    let connection = session.parent().unwrap();
    let there = Endpoint::new(there, limits::MESSAGE).handling(Handles::Take);
    (session, connection, Coordinator { socket: other, buffer: FrameBuffer::default() }, there)
}

#[test]
fn a_socket_comes_with_its_message_and_what_is_none_closes_the_connection() {
    let (mut session, connection, _coordinator, mut parent) = with_parent(true);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    parent.send_with(Format::Bytes, b"listener", listener.as_fd(), Timeout::Never).unwrap();
    parent.send_with(Format::Bytes, b"stream", stream.as_fd(), Timeout::Never).unwrap();
    say(&mut parent, "nothing");
    let mut next = || {
        let body = session.recv(&connection, Until::Forever).map(|message| String::from_utf8(message.body).unwrap());
        (body, connection.take_handle())
    };
    assert!(matches!(next(), (Ok(body), Some(Handle::Listener(_))) if body == "listener"));
    assert!(matches!(next(), (Ok(body), Some(Handle::Stream(_))) if body == "stream"));
    assert!(matches!(next(), (Ok(body), None) if body == "nothing"));
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    parent.send_with(Format::Bytes, b"pipe", pipe.as_fd(), Timeout::Never).unwrap();
    assert!(matches!(next(), (Err(Error::Invalid(_)), None)));
    assert!(matches!(next(), (Err(Error::Closed), None)));
    assert!(matches!(parent.send(Format::Bytes, b"x", Timeout::Never), Err(sandhog_channel::Error::Closed)));
}

#[test]
fn a_job_without_the_right_is_denied_the_message_and_hears_the_next() {
    let (mut session, connection, _coordinator, mut parent) = with_parent(false);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    parent.send_with(Format::Bytes, b"listener", listener.as_fd(), Timeout::Never).unwrap();
    say(&mut parent, "next");
    assert!(matches!(session.recv(&connection, Until::Forever), Err(Error::Denied(_))));
    assert!(connection.take_handle().is_none());
    assert_eq!(session.recv(&connection, Until::Forever).unwrap().body, b"next");
    // It may send its own all the same.
    connection.send_with(Format::Bytes, b"mine", listener.as_fd()).unwrap();
    assert_eq!(parent.recv(Timeout::Never).unwrap().body, b"mine");
    assert!(parent.take_handle().is_some());
}

#[test]
fn a_program_outside_and_a_child_without_the_right_are_sent_no_socket() {
    let (mut session, mut coordinator) = session();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (child, mut there) = connected_child(&mut session, &mut coordinator, 1);
    assert!(matches!(child.send_with(Format::Bytes, b"x", listener.as_fd()), Err(Error::Denied(_))));
    assert!(matches!(there.recv(Timeout::Now), Err(sandhog_channel::Error::WouldBlock)));
    let (_session, outside, _coordinator, _there) = in_pieces();
    assert!(matches!(outside.send_with(Format::Bytes, b"x", listener.as_fd()), Err(Error::Denied(_))));
}

#[test]
fn clients_are_accepted_until_a_stop_and_no_longer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (session, mut coordinator) = session();
    let mut session = session.listening(vec![listener.into()]);
    let socket = session.listeners()[0].clone();
    assert_eq!(socket.address(), Ok(address));
    assert_eq!(session.accept(&socket, Until::Now).err(), Some(Error::WouldBlock));
    assert_eq!(session.accept(&socket, Until::of(Some(1))).err(), Some(Error::TimedOut));
    assert_eq!(coordinator.hears(), Request::Listens);
    let mut client = std::net::TcpStream::connect(address).unwrap();
    let accepted = session.accept(&socket, Until::Forever).unwrap();
    assert_eq!(accepted.peer(), Ok(client.local_addr().unwrap()));
    assert_eq!(session.read_socket(&accepted, 10, Until::Now), Err(Error::WouldBlock));
    assert!(matches!(session.read_socket(&accepted, 0, Until::Now), Err(Error::Invalid(_))));
    std::io::Write::write_all(&mut client, b"abc").unwrap();
    assert_eq!(session.read_socket(&accepted, 2, Until::Forever).unwrap(), b"ab");
    assert_eq!(accepted.write(b"xyz"), Ok(3));
    std::io::Read::read_exact(&mut client, &mut [0; 3]).unwrap();
    drop(client);
    assert_eq!(session.read_socket(&accepted, 10, Until::Forever).unwrap(), b"c");
    assert!(matches!(session.read_socket(&accepted, 10, Until::Forever), Err(Error::Closed)));
    // One that waits is left for others.
    let _late = std::net::TcpStream::connect(address).unwrap();
    coordinator.tells(Reply::Stop);
    assert_eq!(session.accept(&socket, Until::Forever).err(), Some(Error::Stopping));
}

#[test]
fn a_listener_that_is_shut_down_is_closed_for_whoever_accepts() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (session, _coordinator) = session();
    let mut session = session.listening(vec![listener.try_clone().unwrap().into()]);
    let socket = session.listeners()[0].clone();
    rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
    assert_eq!(session.accept(&socket, Until::Forever).err(), Some(Error::Closed));
}
