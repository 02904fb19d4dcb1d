use super::*;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use sandhog_protocol::message::{Batch, Breach};
use std::thread;
use std::time::Duration;

const NEVER: Timeout = Timeout::Never;

/// Long enough that only a hang lasts longer.
const SOON: Timeout = Timeout::After(Duration::from_secs(60));

fn connection() -> (Endpoint, Endpoint) {
    let (here, there) = pair().unwrap();
    (Endpoint::new(here), Endpoint::new(there))
}

/// An end, and the bare socket of an end that keeps to no rule.
fn liar() -> (Endpoint, OwnedFd) {
    let (here, there) = pair().unwrap();
    (Endpoint::new(here), there)
}

fn send_raw(socket: &OwnedFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); 2048];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(fds)));
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::empty()).unwrap();
}

fn text(body: &str) -> Message {
    Message { format: Format::Bytes, body: body.into() }
}

/// Bytes of which each place has its own.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn messages_of_every_size_and_format_arrive_in_order() {
    let (mut here, mut there) = connection();
    let sizes = [0, 1, 15, 16, 255, 256, 65_535, limits::INLINE_PAYLOAD, limits::INLINE_PAYLOAD + 1, 200_000, 3 << 20];
    let sender = thread::spawn(move || {
        for (at, size) in sizes.into_iter().enumerate() {
            let format = [Format::Value, Format::Bytes][at % 2];
            here.send(format, &pattern(size), NEVER).unwrap();
        }
        here.send(Format::Failure, "ä".repeat(50_000).as_bytes(), SOON).unwrap();
        here.sent()
    });
    for (at, size) in sizes.into_iter().enumerate() {
        let message = there.recv(SOON).unwrap();
        assert!(message == Message { format: [Format::Value, Format::Bytes][at % 2], body: pattern(size) }, "{size}");
    }
    let (format, length) = there.recv_with(SOON, |format, body| (format, body.len())).unwrap();
    assert_eq!((format, length), (Format::Failure, 100_000));
    assert_eq!(sender.join().unwrap(), sizes.len() as u64 + 1);
    assert_eq!(there.received(), sizes.len() as u64 + 1);
    assert!(matches!(there.recv(SOON), Err(Error::Closed)));
}

#[test]
fn the_largest_message_arrives_and_a_larger_one_is_refused() {
    let (mut here, mut there) = connection();
    let receiver = thread::spawn(move || there.recv(SOON).unwrap());
    let mut body = pattern(limits::MESSAGE);
    here.send(Format::Bytes, &body, SOON).unwrap();
    assert!(receiver.join().unwrap().body == body);
    body.push(0);
    assert!(matches!(here.send(Format::Bytes, &body, NEVER), Err(Error::TooLarge { most: limits::MESSAGE })));
    assert_eq!(here.sent(), 1);
}

#[test]
fn a_batch_is_one_packet_and_is_handed_out_one_by_one_or_as_a_batch() {
    let (mut here, mut there) = connection();
    let mut batch = Batch::default();
    for at in 0..1000 {
        assert!(batch.push(Format::Bytes, format!("message {at}").as_bytes()));
    }
    here.send_batch(batch.as_bytes().unwrap(), NEVER).unwrap();
    assert!(!there.has_message());
    assert_eq!(there.recv(NEVER).unwrap(), text("message 0"));
    assert!(there.has_message());
    there.recv_with(NEVER, |format, body| assert_eq!((format, body), (Format::Bytes, &b"message 1"[..]))).unwrap();
    let rest = there.recv_batch(NEVER).unwrap();
    assert_eq!(message::check_batch(&rest), Ok(998));
    assert!(!there.has_message());
    assert_eq!((here.sent(), there.received()), (1000, 1000));
    // What came as a batch can go on as one.
    there.send_batch(&rest, NEVER).unwrap();
    assert_eq!(here.recv(NEVER).unwrap(), text("message 2"));
}

#[test]
fn a_large_message_comes_as_a_batch_of_its_own() {
    let (mut here, mut there) = connection();
    let body = pattern(100_000);
    here.send(Format::Value, &body, NEVER).unwrap();
    let batch = there.recv_batch(NEVER).unwrap();
    assert_eq!(batch[..7], [0x91, 0xc9, 0, 1, 0x86, 0xa0, 1]);
    assert!(batch[7..] == body);
    assert_eq!(there.received(), 1);
}

#[test]
fn what_is_no_batch_is_not_sent() {
    let (mut here, mut there) = connection();
    assert!(matches!(here.send_batch(b"\x91\xc0", NEVER), Err(Error::Invalid(Breach::NotAMessage(0xc0)))));
    assert!(matches!(here.send_batch(b"\x91\xd4\x02x", NEVER), Err(Error::Invalid(Breach::FailureInBatch))));
    assert!(matches!(here.send(Format::Failure, b"\xff", NEVER), Err(Error::Invalid(Breach::NotText))));
    let most = limits::INLINE_PAYLOAD;
    assert!(matches!(here.send_batch(&vec![0; most + 1], NEVER), Err(Error::TooLarge { most: told }) if told == most));
    assert!(matches!(there.recv(Timeout::Now), Err(Error::WouldBlock)));
    assert_eq!(here.sent(), 0);
}

#[test]
fn a_receiver_that_does_not_read_makes_the_sender_wait_and_nothing_is_lost_or_doubled() {
    let (mut here, mut there) = connection();
    for large in [false, true] {
        let body = move |number: u32| {
            let mut body = number.to_le_bytes().to_vec();
            body.resize(if large { 100_000 } else { 1000 }, 7);
            body
        };
        let mut sent = 0;
        while here
            .send(Format::Bytes, &body(sent), Timeout::Now)
            .map_err(|e| assert!(matches!(e, Error::WouldBlock)))
            .is_ok()
        {
            sent += 1;
        }
        assert!((1..1000).contains(&sent), "{sent}");
        let short = Timeout::After(Duration::from_millis(20));
        assert!(matches!(here.send(Format::Bytes, &body(sent), short), Err(Error::TimedOut)));
        let receiver = thread::spawn(move || {
            for number in 0..sent + 50 {
                assert!(there.recv(SOON).unwrap().body == body(number), "{number}");
            }
            there
        });
        for number in sent..sent + 50 {
            here.send(Format::Bytes, &body(number), if number % 2 == 0 { SOON } else { NEVER }).unwrap();
        }
        there = receiver.join().unwrap();
        assert!(matches!(there.recv(Timeout::Now), Err(Error::WouldBlock)));
    }
}

#[test]
fn waiting_for_a_message_ends_with_the_time() {
    let (_here, mut there) = connection();
    assert!(matches!(there.recv(Timeout::Now), Err(Error::WouldBlock)));
    assert!(matches!(there.recv(Timeout::After(Duration::from_millis(5))), Err(Error::TimedOut)));
    assert!(matches!(there.recv_batch(Timeout::After(Duration::ZERO)), Err(Error::TimedOut)));
}

#[test]
fn what_was_sent_before_an_end_went_is_received_before_closed() {
    // The end that goes has read all; has not; has said so; has said so and not read.
    for (unread, says_so) in [(false, false), (true, false), (false, true), (true, true)] {
        let (mut here, mut there) = connection();
        if unread {
            there.send(Format::Bytes, b"never read", NEVER).unwrap();
        }
        here.send(Format::Bytes, b"one", NEVER).unwrap();
        here.send(Format::Bytes, &pattern(70_000), NEVER).unwrap();
        if says_so {
            here.disconnect();
            assert!(matches!(here.send(Format::Bytes, b"more", NEVER), Err(Error::Closed)));
            assert!(matches!(here.recv(NEVER), Err(Error::Closed)));
            assert!(matches!(here.send(Format::Bytes, &pattern(70_000), NEVER), Err(Error::Closed)));
        }
        let kept = says_so.then_some(here);
        // The sending side knows it at once, and that takes nothing from the receiving side.
        assert!(matches!(there.send(Format::Bytes, b"x", NEVER), Err(Error::Closed)));
        assert!(matches!(there.send(Format::Bytes, &pattern(70_000), SOON), Err(Error::Closed)));
        assert_eq!(there.recv(SOON).unwrap(), text("one"));
        assert_eq!(there.recv(NEVER).unwrap().body.len(), 70_000);
        for timeout in [NEVER, SOON, Timeout::Now] {
            assert!(matches!(there.recv(timeout), Err(Error::Closed)));
        }
        drop(kept);
    }
}

#[test]
fn an_end_that_goes_without_reading_all_loses_nothing_that_it_sent() {
    let (mut here, mut there) = connection();
    there.send(Format::Bytes, b"never read", NEVER).unwrap();
    here.send(Format::Bytes, b"one", NEVER).unwrap();
    drop(here);
    // No send comes before, which would take the kernel's ECONNRESET.
    assert_eq!(there.recv(SOON).unwrap(), text("one"));
    assert!(matches!(there.recv(SOON), Err(Error::Closed)));
}

#[test]
fn an_end_that_goes_wakes_whoever_waits_for_it() {
    let (here, mut there) = connection();
    let receiver = thread::spawn(move || there.recv(SOON));
    drop(here);
    assert!(matches!(receiver.join().unwrap(), Err(Error::Closed)));
    let (mut here, there) = connection();
    while here.send(Format::Bytes, &[0; 1000], Timeout::Now).is_ok() {}
    let sender = thread::spawn(move || (here.send(Format::Bytes, b"x", SOON), here.send(Format::Bytes, b"x", NEVER)));
    drop(there);
    assert!(matches!(sender.join().unwrap(), (Err(Error::Closed), Err(Error::Closed))));
}

#[test]
fn disconnecting_drops_what_was_waiting() {
    let (mut here, mut there) = connection();
    let mut batch = Batch::default();
    assert!(batch.push(Format::Bytes, b"1") && batch.push(Format::Bytes, b"2"));
    here.send_batch(batch.as_bytes().unwrap(), NEVER).unwrap();
    there.recv(NEVER).unwrap();
    there.disconnect();
    assert!(!there.has_message());
    assert!(matches!(there.recv(NEVER), Err(Error::Closed)));
    assert!(matches!(here.send(Format::Bytes, b"x", SOON), Err(Error::Closed)));
}

#[test]
fn an_end_of_each_direction_can_be_had_by_two_threads() {
    let (here, there) = pair().unwrap();
    let (mut receiver, mut echo) = (Endpoint::new(here.try_clone().unwrap()), Endpoint::new(there));
    let mut sender = Endpoint::new(here);
    let echoing = thread::spawn(move || {
        while let Ok(message) = echo.recv(SOON) {
            echo.send(message.format, &message.body, SOON).unwrap();
        }
    });
    let sending = thread::spawn(move || {
        for number in 0_u32..5000 {
            sender.send(Format::Bytes, &number.to_le_bytes(), NEVER).unwrap();
        }
    });
    for number in 0_u32..5000 {
        assert_eq!(receiver.recv(SOON).unwrap().body, number.to_le_bytes());
    }
    sending.join().unwrap();
    drop(receiver);
    echoing.join().unwrap();
}

/// What comes of these bytes and descriptors; a message behind them must not come through.
fn breach(bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Broken {
    let (mut here, there) = liar();
    send_raw(&there, bytes, fds);
    send_raw(&there, b"\x91\xc4\x01x", &[]);
    let Err(Error::Broken(broken)) = here.recv(SOON) else { panic!("it was taken") };
    assert!(matches!(here.recv(SOON), Err(Error::Closed)));
    assert!(matches!(here.send(Format::Bytes, b"x", SOON), Err(Error::Closed)));
    assert!(rustix::io::write(&there, b"x").is_err(), "the liar is not told");
    broken
}

#[test]
fn packets_that_break_the_rules_close_the_connection() {
    assert_eq!(breach(b"", &[]), Broken::NoBytes);
    assert_eq!(breach(b"\x90", &[]), Broken::Packet(Breach::Empty));
    assert_eq!(breach(b"\xc0", &[]), Broken::Packet(Breach::NotAnArray(0xc0)));
    assert_eq!(breach(b"\x92\xc4\x01x\xc4\x02x", &[]), Broken::Packet(Breach::Torn));
    assert_eq!(breach(b"\x91\xd4\x02\xff", &[]), Broken::Packet(Breach::NotText));
    assert_eq!(breach(&[0x91; limits::MESSAGE_PACKET + 1], &[]), Broken::Truncated);
    assert_eq!(breach(&[0x91; 150_000], &[]), Broken::Truncated);
}

fn memfd(length: u64, seals: SealFlags) -> OwnedFd {
    let memfd = memfd_create("", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&memfd, length).unwrap();
    fcntl_add_seals(&memfd, seals).unwrap();
    memfd
}

#[test]
fn descriptors_that_are_not_as_they_should_be_close_the_connection() {
    let all = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    let good = memfd(3, all);
    let (first, whole) = (&b"\x92\x04\xc4\x01x"[..], &b"\x91\xc4\x01x"[..]);
    let (mut here, there) = liar();
    send_raw(&there, first, &[good.as_fd()]);
    assert_eq!(here.recv(SOON).unwrap(), text("x\0\0\0"));

    let descriptors = |expected, found| Broken::Descriptors { expected, found };
    assert_eq!(breach(first, &[]), descriptors(1, 0));
    assert_eq!(breach(first, &[good.as_fd(); 2]), descriptors(1, 2));
    assert_eq!(breach(first, &[good.as_fd(); 253]), Broken::TooManyDescriptors);
    assert_eq!(breach(whole, &[good.as_fd()]), descriptors(0, 1));
    assert_eq!(breach(whole, &[good.as_fd(); 2]), descriptors(0, 2));
    for missing in [SealFlags::SEAL, SealFlags::SHRINK, SealFlags::GROW, SealFlags::WRITE] {
        assert_eq!(breach(first, &[memfd(3, all - missing).as_fd()]), Broken::NotSealed);
    }
    assert_eq!(breach(first, &[memfd(3, SealFlags::empty()).as_fd()]), Broken::NotSealed);
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    assert_eq!(breach(first, &[pipe.as_fd()]), Broken::NotSealed);
    assert_eq!(breach(first, &[there.as_fd()]), Broken::NotSealed);
    for length in [0_u64, 2, 4, 1 << 40] {
        let found = length.cast_signed();
        assert_eq!(breach(first, &[memfd(length, all).as_fd()]), Broken::Size { expected: 3, found });
    }
    let failure = memfd(1, all);
    assert_eq!(breach(b"\x92\x02\xd4\x02\xc3", &[failure.as_fd()]), Broken::Packet(Breach::NotText));
}

#[test]
fn no_descriptor_that_came_in_is_kept() {
    let all = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    let good = memfd(3, all);
    let marked = |fds: &[BorrowedFd<'_>], bytes: &[u8]| {
        let (mut here, there) = liar();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut with_pipe = fds.to_vec();
        with_pipe.push(writer.as_fd());
        send_raw(&there, bytes, &with_pipe);
        drop(writer);
        assert!(here.recv(SOON).is_err());
        // A copy that is kept keeps the pipe from ending.
        assert_eq!(rustix::io::read(&reader, &mut [0; 1]).unwrap(), 0);
    };
    marked(&[], b"\x91\xc4\x01x");
    marked(&[], b"\x92\x04\xc4\x01x");
    marked(&[], b"nonsense");
    marked(&[good.as_fd()], b"\x92\x04\xc4\x01x");
    marked(&[good.as_fd(); 5], b"\x92\x04\xc4\x01x");
}
