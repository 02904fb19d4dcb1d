use super::super::tests::{Coordinator, session};
use super::super::{Error, Shared};
use super::*;
use sandhog_channel::Large;
use sandhog_objects::{Page, now_ns};
use sandhog_objects_model::{self as model, Until, Waited, Words};
use sandhog_protocol::objects::{Attached, Dead, ObjectId, Right};
use sandhog_protocol::request::{Refused, Reply};
use sandhog_sys::shared;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

const ME: Member = Member { seat: 3, generation: 7 };

fn memory(kind: Kind) -> OwnedFd {
    shared::create(c"object", model::Object::bytes(kind).unwrap()).unwrap()
}

fn page() -> OwnedFd {
    shared::create(c"page", Page::BYTES).unwrap()
}

fn attached(id: u64, kind: Kind, rights: &[Right], page: bool) -> Reply {
    let rights = rights.iter().copied().collect();
    Reply::Attached(Box::new(Attached { object: ObjectId(id), kind, rights, member: ME, page }))
}

/// A lock that the coordinator has granted, with the member's page.
fn lock(session: &mut Session, coordinator: &mut Coordinator) -> (Attachment, OwnedFd, OwnedFd) {
    let (memory, page) = (memory(Kind::Lock), page());
    coordinator.tells_with(attached(1, Kind::Lock, &[Right::Use], true), &[memory.as_fd(), page.as_fd()]);
    let lock = session.attach("lock".to_owned()).unwrap();
    assert_eq!(coordinator.hears(), Request::Attach { object: "lock".to_owned() });
    (lock, memory, page)
}

#[test]
fn what_is_opened_twice_is_mapped_once_and_given_up_with_its_last_handle() {
    let (mut session, mut coordinator) = session();
    let (first, memory, _page) = lock(&mut session, &mut coordinator);
    coordinator.tells_with(attached(1, Kind::Lock, &[Right::Use], false), &[memory.as_fd()]);
    let second = session.attach("lock".to_owned()).unwrap();
    assert!(Arc::ptr_eq(first.object(), second.object()));
    assert_eq!((first.kind(), first.object().member(), first.object().id()), (Kind::Lock, ME, ObjectId(1)));
    session.let_go(&first).unwrap();
    session.heartbeat().unwrap();
    session.let_go(&second).unwrap();
    assert!(matches!(coordinator.hears(), Request::Attach { .. }));
    assert_eq!(coordinator.hears(), Request::Heartbeat);
    assert_eq!(coordinator.hears(), Request::Detach { object: ObjectId(1) });
}

#[test]
fn the_page_that_came_first_serves_all_objects() {
    let (mut session, mut coordinator) = session();
    let (_lock, _memory, page) = lock(&mut session, &mut coordinator);
    let file = memory(Kind::Event);
    coordinator.tells_with(attached(2, Kind::Event, &[Right::Wait], false), &[file.as_fd()]);
    let event = session.create(Kind::Event).unwrap();
    let shared = Shared::new(event.object(), session.waits());
    assert_eq!(shared.wait(0, 0, Until::At(now_ns() + 1)), Waited::TimedOut);
    Page::map(page, ME).unwrap().stop();
    assert_eq!(shared.wait(0, 0, Until::Never), Waited::Stopping);
    // The first wait has said that the guest listens.
    assert_eq!(coordinator.hears(), Request::Create { kind: Kind::Event });
    assert_eq!(coordinator.hears(), Request::Listens);
}

#[test]
fn descriptors_that_found_no_room_are_a_bound_and_the_object_is_given_up() {
    let (mut session, mut coordinator) = session();
    let (file, page) = (memory(Kind::Lock), page());
    let all: [&[BorrowedFd<'_>]; 3] = [&[], &[file.as_fd()], &[file.as_fd(), page.as_fd(), page.as_fd()]];
    for fds in all {
        coordinator.tells_with(attached(1, Kind::Lock, &[Right::Use], true), fds);
        assert!(matches!(session.attach("lock".to_owned()), Err(Error::Quota(_))), "{fds:?}");
        assert!(matches!(coordinator.hears(), Request::Attach { .. }));
        assert_eq!(coordinator.hears(), Request::Detach { object: ObjectId(1) });
    }
}

#[test]
fn memory_of_another_size_than_its_kind_has_is_not_used() {
    let (mut session, mut coordinator) = session();
    let (file, page) = (memory(Kind::Memory { bytes: 1 << 20 }), page());
    coordinator.tells_with(attached(1, Kind::Lock, &[Right::Use], true), &[file.as_fd(), page.as_fd()]);
    assert!(matches!(session.attach("lock".to_owned()), Err(Error::Quota(_))));
    assert!(matches!(coordinator.hears(), Request::Attach { .. }));
    assert_eq!(coordinator.hears(), Request::Detach { object: ObjectId(1) });
}

#[test]
fn a_reader_maps_for_reading_and_a_writer_of_the_same_object_for_writing() {
    let (mut session, mut coordinator) = session();
    let (_lock, ..) = lock(&mut session, &mut coordinator);
    let kind = Kind::Memory { bytes: 100 };
    let file = memory(kind);
    let for_reading = shared::for_reading(file.as_fd()).unwrap();
    let mut open = |fd: BorrowedFd<'_>, right| {
        coordinator.tells_with(attached(2, kind, &[right], false), &[fd]);
        session.attach("frames".to_owned()).unwrap()
    };
    let reader = open(for_reading.as_fd(), Right::Read);
    assert!(reader.needs(Right::Read).is_ok() && reader.needs_writable().is_err());
    assert!(matches!(reader.needs(Right::Write), Err(Error::Denied(_))));
    let writer = open(file.as_fd(), Right::Write);
    assert!(writer.needs_writable().is_ok() && writer.needs(Right::Read).is_err());
    assert!(!Arc::ptr_eq(reader.object(), writer.object()));
    let again = open(for_reading.as_fd(), Right::Read);
    assert!(Arc::ptr_eq(again.object(), writer.object()) && again.needs(Right::Write).is_err());
}

#[test]
fn the_end_of_a_pipe_is_one_connection_however_often_it_is_opened() {
    let (mut session, mut coordinator) = session();
    let (here, _there) = sandhog_channel::pair().unwrap();
    let page = page();
    coordinator.tells_with(attached(5, Kind::Pipe, &[Right::First], true), &[here.as_fd(), page.as_fd()]);
    let first = session.open_pipe("pipe".to_owned()).unwrap();
    coordinator.tells_with(attached(5, Kind::Pipe, &[Right::First], false), &[here.as_fd()]);
    let second = session.open_pipe("pipe".to_owned()).unwrap();
    first.disconnect();
    assert!(second.is_disconnected());
    // It is no object with memory.
    coordinator.tells_with(attached(5, Kind::Pipe, &[Right::First], false), &[here.as_fd()]);
    assert!(matches!(session.attach("pipe".to_owned()), Err(Error::Invalid(_))));
    assert!((0..2).all(|_| matches!(coordinator.hears(), Request::Attach { .. })));
    assert_eq!(coordinator.hears(), Request::HangUp { object: ObjectId(5), end: Right::First });
    assert!(matches!(coordinator.hears(), Request::Attach { .. }));
}

/// Both ends of a new pipe, of this number.
fn made(session: &mut Session, coordinator: &mut Coordinator, object: u64) -> [Connection; 2] {
    let (here, there) = sandhog_channel::pair().unwrap();
    let rights = [Right::First, Right::Second];
    coordinator.tells_with(attached(object, Kind::Pipe, &rights, false), &[here.as_fd(), there.as_fd()]);
    let ends = session.create_pipe().unwrap();
    assert_eq!(coordinator.hears(), Request::Create { kind: Kind::Pipe });
    ends
}

fn hung_up(object: u64, end: Right) -> Request {
    Request::HangUp { object: ObjectId(object), end }
}

#[test]
fn an_end_of_a_new_pipe_closes_with_its_last_handle_and_is_handed_on_once_and_unused() {
    let (mut session, mut coordinator) = session();
    let [first, second] = made(&mut session, &mut coordinator, 5);
    let again = first.clone();
    drop(first);
    assert_eq!(again.to_hand_on(), Ok((ObjectId(5), Right::First)));
    drop(again);
    assert_eq!(coordinator.hears(), hung_up(5, Right::First));
    // What another one handed on is nobody's here, and nobody is told that it was closed.
    second.hand_on();
    assert!(second.is_disconnected() && matches!(second.to_hand_on(), Err(Error::Invalid(_))));
    second.hand_on();
    drop(second);
    let [first, second] = made(&mut session, &mut coordinator, 6);
    assert!(matches!(session.recv(&first, crate::session::Until::Now), Err(Error::WouldBlock)));
    assert!(matches!(first.to_hand_on(), Err(Error::Invalid(_))) && second.to_hand_on().is_ok());
    second.disconnect();
    assert_eq!(coordinator.hears(), hung_up(6, Right::Second));
    assert!(matches!(second.to_hand_on(), Err(Error::Invalid(_))));
    // Too few descriptors have come: the attempt may have no more files.
    let (here, _there) = sandhog_channel::pair().unwrap();
    coordinator.tells_with(attached(7, Kind::Pipe, &[Right::First, Right::Second], false), &[here.as_fd()]);
    assert!(matches!(session.create_pipe(), Err(Error::Quota(_))));
    assert_eq!(coordinator.hears(), Request::Create { kind: Kind::Pipe });
    assert_eq!(coordinator.hears(), Request::Detach { object: ObjectId(7) });
}

#[test]
fn refusals_are_told_and_an_answer_to_something_else_is_none() {
    let (mut session, coordinator) = session();
    coordinator.tells(Reply::NotAttached(Refused::NotFound("it".to_owned())));
    assert!(matches!(session.attach("it".to_owned()), Err(Error::NotFound(name)) if name == "it"));
    coordinator.tells(Reply::Dead(None));
    assert!(matches!(session.attach("it".to_owned()), Err(Error::Gone)));
    let file = memory(Kind::Lock);
    coordinator.tells_with(attached(1, Kind::Lock, &[], false), &[file.as_fd()]);
    assert!(matches!(session.died(ME), Err(Error::Gone)));
}

#[test]
fn who_died_is_asked_for_and_who_is_not_known_any_more_was_lost() {
    let (mut session, mut coordinator) = session();
    let dead = Dead { attempt: "a".to_owned(), verdict: Verdict::Failed { code: 3 }, code: 3 };
    coordinator.tells(Reply::Dead(Some(Box::new(dead))));
    assert_eq!(session.died(ME).unwrap().verdict, Verdict::Failed { code: 3 });
    coordinator.tells(Reply::Dead(None));
    assert_eq!(session.died(ME).unwrap().verdict, Verdict::Unknown);
    assert_eq!(coordinator.hears(), Request::Dead { member: ME });
}

#[test]
fn an_attempt_without_objects_asks_for_none() {
    let (socket, _other) = sandhog_ipc::pair(rustix::net::SocketType::STREAM).unwrap();
    let plan = sandhog_protocol::plan::GuestPlan::default();
    let mut session = Session::of_core(socket, sandhog_ipc::FrameBuffer::default(), Large::Memory, &plan);
    assert!(matches!(session.attach("x".to_owned()), Err(Error::NotFound(_))));
    assert!(matches!(session.create(Kind::Lock), Err(Error::Denied(_))));
    assert!(matches!(session.open_pipe("x".to_owned()), Err(Error::NotFound(_))));
}
