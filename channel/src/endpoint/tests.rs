use super::*;
use crate::Broken;
use rustix::buffer::spare_capacity;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use sandhog_protocol::message::{Batch, Breach};
use std::thread;
use std::time::Duration;

const NEVER: Timeout = Timeout::Never;

/// Long enough that only a hang lasts longer.
const SOON: Timeout = Timeout::After(Duration::from_secs(60));

const BOTH: [Large; 2] = [Large::Memory, Large::Pieces];

/// What the largest message is, unless something else is said.
const MAX: usize = limits::MESSAGE;

fn connection() -> (Endpoint, Endpoint) {
    connection_by(Large::Memory)
}

fn connection_by(large: Large) -> (Endpoint, Endpoint) {
    let (here, there) = pair().unwrap();
    (Endpoint::new(here, MAX).sending(large), Endpoint::new(there, MAX).sending(large))
}

/// An end, and the bare socket of an end that keeps to no rule.
fn hostile_peer() -> (Endpoint, OwnedFd) {
    let (here, there) = pair().unwrap();
    (Endpoint::new(here, MAX), there)
}

/// A packet of this end's, by hand.
fn packet(head: Head, body: &[u8]) -> Vec<u8> {
    [head.as_bytes(), body].concat()
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
    BOTH.into_iter().for_each(every_size);
}

fn every_size(large: Large) {
    let (mut here, mut there) = connection_by(large);
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
    BOTH.into_iter().for_each(the_largest);
}

fn the_largest(large: Large) {
    let (mut here, mut there) = connection_by(large);
    let receiver = thread::spawn(move || there.recv(SOON).unwrap());
    let mut body = pattern(limits::MESSAGE);
    here.send(Format::Bytes, &body, SOON).unwrap();
    assert!(receiver.join().unwrap().body == body);
    body.push(0);
    assert!(matches!(here.send(Format::Bytes, &body, NEVER), Err(Error::TooLarge { max: limits::MESSAGE })));
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
    for large in BOTH {
        let (mut here, mut there) = connection_by(large);
        let body = pattern(100_000);
        here.send(Format::Value, &body, NEVER).unwrap();
        let batch = there.recv_batch(NEVER).unwrap();
        assert_eq!(batch[..7], [0x91, 0xc9, 0, 1, 0x86, 0xa0, 1]);
        assert!(batch[7..] == body);
        assert_eq!(there.received(), 1);
    }
}

#[test]
fn what_is_no_batch_is_not_sent() {
    let (mut here, mut there) = connection();
    assert!(matches!(here.send_batch(b"\x91\xc0", NEVER), Err(Error::Invalid(Breach::NotAMessage(0xc0)))));
    assert!(matches!(here.send_batch(b"\x91\xd4\x02x", NEVER), Err(Error::Invalid(Breach::FailureInBatch))));
    assert!(matches!(here.send(Format::Failure, b"\xff", NEVER), Err(Error::Invalid(Breach::NotText))));
    let max = limits::INLINE_PAYLOAD;
    assert!(matches!(here.send_batch(&vec![0; max + 1], NEVER), Err(Error::TooLarge { max: told }) if told == max));
    assert!(matches!(there.recv(Timeout::Now), Err(Error::WouldBlock)));
    assert_eq!(here.sent(), 0);
}

#[test]
fn a_receiver_that_does_not_read_makes_the_sender_wait_and_nothing_is_lost_or_doubled() {
    for (large, bytes) in
        [(Large::Memory, 1000), (Large::Memory, 100_000), (Large::Pieces, 1000), (Large::Pieces, 70_000)]
    {
        let (mut here, mut there) = connection_by(large);
        let body = move |number: u32| {
            let mut body = number.to_le_bytes().to_vec();
            body.resize(bytes, 7);
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
fn two_ends_that_look_before_they_sleep_lose_nothing() {
    crate::look_before_sleeping();
    let (mut here, mut there) = connection();
    let echo = thread::spawn(move || {
        while let Ok(message) = there.recv(NEVER) {
            there.send(message.format, &message.body, NEVER).unwrap();
        }
    });
    for number in 0..20_000_u32 {
        here.send(Format::Bytes, &number.to_le_bytes(), NEVER).unwrap();
        let timeout = if number % 2 == 0 { NEVER } else { SOON };
        assert_eq!(here.recv(timeout).unwrap().body, number.to_le_bytes());
    }
    here.finish_sending();
    echo.join().unwrap();
    assert!(matches!(here.recv(NEVER), Err(Error::Closed)));
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
    let all = [(false, false), (true, false), (false, true), (true, true)];
    for (large, (unread, says_so)) in BOTH.into_iter().flat_map(|large| all.map(|how| (large, how))) {
        let (mut here, mut there) = connection_by(large);
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
    BOTH.into_iter().for_each(wakes);
}

fn wakes(large: Large) {
    let (here, mut there) = connection_by(large);
    let receiver = thread::spawn(move || there.recv(SOON));
    drop(here);
    assert!(matches!(receiver.join().unwrap(), Err(Error::Closed)));
    let (mut here, there) = connection_by(large);
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
    let (mut receiver, mut echo) = (Endpoint::new(here.try_clone().unwrap(), MAX), Endpoint::new(there, MAX));
    let mut sender = Endpoint::new(here, MAX);
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
    let (mut here, there) = hostile_peer();
    send_raw(&there, bytes, fds);
    send_raw(&there, b"\x91\xc4\x01x", &[]);
    let Err(Error::Broken(broken)) = here.recv(SOON) else { panic!("it was taken") };
    assert!(matches!(here.recv(SOON), Err(Error::Closed)));
    assert!(matches!(here.send(Format::Bytes, b"x", SOON), Err(Error::Closed)));
    assert!(rustix::io::write(&there, b"x").is_err(), "the peer is not told");
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
    assert_eq!(breach(&packet(Head::piece(1), b"x"), &[]), Broken::Order);
    assert_eq!(breach(Head::given_up().as_bytes(), &[]), Broken::Order);
}

const FULL: &[u8] = &[7; limits::INLINE_PAYLOAD];

/// What comes of these packets behind the first piece of a message of 100,000 bytes.
fn breach_between(packets: &[(&[u8], &[BorrowedFd<'_>])]) -> Broken {
    let (mut here, there) = hostile_peer();
    send_raw(&there, &packet(Head::begin(Format::Bytes, 100_000), FULL), &[]);
    assert!(!here.look());
    packets.iter().for_each(|(bytes, fds)| send_raw(&there, bytes, fds));
    let Err(Error::Broken(broken)) = here.recv(SOON) else { panic!("it was taken") };
    assert!(matches!(here.recv(SOON), Err(Error::Closed)));
    assert!(rustix::io::write(&there, b"x").is_err(), "the peer is not told");
    broken
}

#[test]
fn nothing_comes_between_two_pieces_and_each_has_its_size() {
    let all = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    let good = memfd(3, all);
    let size = |expected, found| Broken::Packet(Breach::Piece { expected, found });
    let rest = 100_000 - limits::INLINE_PAYLOAD;
    let whole = packet(Head::piece(rest), &FULL[..rest]);
    assert_eq!(breach_between(&[(b"\x91\xc4\x01x", &[])]), Broken::Order);
    assert_eq!(breach_between(&[(b"\x92\x04\xc4\x01x", &[good.as_fd()])]), Broken::Order);
    assert_eq!(breach_between(&[(&packet(Head::begin(Format::Bytes, 100_000), FULL), &[])]), Broken::Order);
    assert_eq!(breach_between(&[(&packet(Head::piece(1), b"x"), &[])]), size(rest, 1));
    assert_eq!(breach_between(&[(&packet(Head::piece(rest + 1), &FULL[..=rest]), &[])]), size(rest, rest + 1));
    assert_eq!(breach_between(&[(&packet(Head::piece(FULL.len()), FULL), &[])]), size(rest, FULL.len()));
    let given_up = Head::given_up();
    assert_eq!(breach_between(&[(given_up.as_bytes(), &[]), (&whole, &[])]), Broken::Order);
    let found = Broken::Descriptors { expected: 0, found: 1 };
    assert_eq!(breach_between(&[(&whole, &[good.as_fd()])]), found);
    assert_eq!(breach_between(&[(b"nonsense", &[])]), Broken::Packet(Breach::NotAnArray(b'n')));
}

#[test]
fn a_message_in_pieces_whose_sender_goes_is_not_there() {
    for pieces in 1..3 {
        let (mut here, there) = hostile_peer();
        send_raw(&there, b"\x91\xc4\x01x", &[]);
        send_raw(&there, &packet(Head::begin(Format::Bytes, 200_000), FULL), &[]);
        (1..pieces).for_each(|_| send_raw(&there, &packet(Head::piece(FULL.len()), FULL), &[]));
        drop(there);
        assert_eq!(here.recv(SOON).unwrap(), text("x"));
        assert!(matches!(here.recv(SOON), Err(Error::Closed)));
        assert!(matches!(here.recv_batch(NEVER), Err(Error::Closed)));
    }
}

#[test]
fn a_large_message_that_was_given_up_is_not_there_and_the_next_one_is() {
    let (mut here, mut there) = connection_by(Large::Pieces);
    let body = pattern(3 << 20);
    for next in [&pattern(10)[..], &pattern(1 << 20)] {
        assert!(matches!(here.send(Format::Bytes, &body, Timeout::Now), Err(Error::WouldBlock)));
        let short = Timeout::After(Duration::from_millis(5));
        assert!(matches!(here.send(Format::Value, &body, short), Err(Error::TimedOut)));
        assert!(matches!(here.send_batch(b"\x91\xc4\x01x", Timeout::Now), Err(Error::WouldBlock)));
        let expected = next.to_vec();
        let receiver = thread::spawn(move || {
            assert!(there.recv(SOON).unwrap().body == expected);
            there
        });
        here.send(Format::Bytes, next, SOON).unwrap();
        there = receiver.join().unwrap();
        assert!(!there.look());
    }
    assert_eq!((here.sent(), there.received()), (2, 2));
}

#[test]
fn a_large_message_goes_on_where_it_stopped() {
    let (mut here, mut there) = connection_by(Large::Pieces);
    let (body, mut progress, mut stops) = (pattern(1 << 20), Progress::default(), 0);
    while let Err(error) = here.send_on(&mut progress, Format::Bytes, &body, Timeout::Now) {
        assert!(matches!(error, Error::WouldBlock));
        stops += 1;
        // What has come of it so far is no message.
        assert!(!there.look());
        assert!(matches!(there.recv(Timeout::Now), Err(Error::WouldBlock)));
        assert!(matches!(there.recv(Timeout::After(Duration::from_millis(1))), Err(Error::TimedOut)));
    }
    assert!(stops > 2, "{stops}");
    assert!(there.look());
    assert!(there.recv(Timeout::Now).unwrap().body == body);
}

#[test]
fn two_ends_that_send_pieces_to_each_other_do_not_wait_for_ever() {
    let (mut here, mut there) = connection_by(Large::Pieces);
    let other = thread::spawn(move || {
        there.send(Format::Bytes, &pattern(MAX), SOON).unwrap();
        assert!(there.recv(SOON).unwrap().body == pattern(3 << 20));
        there
    });
    here.send(Format::Bytes, &pattern(3 << 20), SOON).unwrap();
    assert!(here.recv(SOON).unwrap().body == pattern(MAX));
    let mut there = other.join().unwrap();
    // One that sends no more is no reason to spin, and one that has gone is heard of.
    there.finish_sending();
    let short = Timeout::After(Duration::from_millis(20));
    assert!(matches!(here.send(Format::Bytes, &pattern(3 << 20), short), Err(Error::TimedOut)));
    drop(there);
    assert!(matches!(here.send(Format::Bytes, &pattern(3 << 20), SOON), Err(Error::Closed)));
    assert!(matches!(here.recv(SOON), Err(Error::Closed)));
}

#[test]
fn what_is_larger_than_is_taken_closes_the_connection_unread() {
    for (large, bytes) in [(Large::Memory, 100), (Large::Memory, 100_000), (Large::Pieces, 100_000)] {
        let (mut here, mut there) = connection_by(large);
        there.limit(bytes - 1);
        here.send(Format::Bytes, b"small", NEVER).unwrap();
        here.send(Format::Bytes, &pattern(bytes), NEVER).unwrap();
        here.send(Format::Bytes, b"behind it", NEVER).unwrap();
        assert_eq!(there.recv(SOON).unwrap(), text("small"));
        let max = bytes - 1;
        let too_large = Broken::TooLarge { length: bytes, max };
        assert!(matches!(there.recv(SOON), Err(Error::Broken(broken)) if broken == too_large));
        assert!(matches!(there.recv(SOON), Err(Error::Closed)));
        assert!(matches!(there.send(Format::Bytes, b"x", SOON), Err(Error::Closed)));
        assert!(matches!(here.send(Format::Bytes, b"x", SOON), Err(Error::Closed)));
        let (mut here, mut there) = connection_by(large);
        there.limit(bytes);
        here.send(Format::Bytes, &pattern(bytes), NEVER).unwrap();
        assert_eq!(there.recv(SOON).unwrap().body.len(), bytes);
    }
}

#[test]
fn of_what_is_larger_than_is_taken_only_the_first_packet_is_received() {
    let all = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    let (mut here, there) = hostile_peer();
    here.limit(1 << 20);
    // Neither memory that is not as announced nor any further piece is looked at.
    let (small, marked) = (memfd(1, all), packet(Head::first(Format::Bytes, MAX, 1), b"x"));
    send_raw(&there, &marked, &[small.as_fd()]);
    let too_large = Broken::TooLarge { length: MAX, max: 1 << 20 };
    assert!(matches!(here.recv(SOON), Err(Error::Broken(broken)) if broken == too_large));
    assert_eq!(here.bytes_received(), marked.len() as u64);
    let (mut here, there) = hostile_peer();
    here.limit(1 << 20);
    let begin = packet(Head::begin(Format::Bytes, MAX), FULL);
    send_raw(&there, &begin, &[]);
    send_raw(&there, &packet(Head::piece(FULL.len()), FULL), &[]);
    // Whoever looks without receiving does not swallow the reason.
    assert!(here.look() && here.look());
    assert!(matches!(here.recv(SOON), Err(Error::Broken(broken)) if broken == too_large));
    assert!(matches!(here.recv(SOON), Err(Error::Closed)));
    assert_eq!(here.bytes_received(), begin.len() as u64);
}

#[test]
fn a_limit_that_is_lowered_holds_for_what_has_begun_to_come() {
    let (mut here, mut there) = connection_by(Large::Pieces);
    let body = pattern(1 << 20);
    assert!(matches!(here.send(Format::Bytes, &body, Timeout::Now), Err(Error::WouldBlock)));
    assert!(matches!(there.recv(Timeout::Now), Err(Error::WouldBlock)));
    there.limit(1000);
    let too_large = Broken::TooLarge { length: 1 << 20, max: 1000 };
    assert!(matches!(there.recv(Timeout::Now), Err(Error::Broken(broken)) if broken == too_large));
}

#[test]
fn a_batch_is_taken_up_to_the_first_that_is_too_large() {
    let (mut here, mut there) = connection();
    there.limit(3);
    let mut batch = Batch::default();
    assert!(["one", "two", "three", "six"].iter().all(|word| batch.push(Format::Bytes, word.as_bytes())));
    here.send_batch(batch.as_bytes().unwrap(), NEVER).unwrap();
    assert_eq!(there.recv_batch(NEVER).unwrap(), b"\x92\xc4\x03one\xc4\x03two");
    assert_eq!(there.received(), 2);
    let too_large = Broken::TooLarge { length: 5, max: 3 };
    assert!(matches!(there.recv_batch(SOON), Err(Error::Broken(broken)) if broken == too_large));
    assert!(matches!(there.recv(SOON), Err(Error::Closed)));
}

#[test]
fn memory_is_taken_as_pieces_come() {
    let (mut here, there) = hostile_peer();
    send_raw(&there, &packet(Head::begin(Format::Bytes, MAX), FULL), &[]);
    assert!(!here.look());
    let max = here.memory();
    assert!((FULL.len()..=4 * FULL.len()).contains(&max), "{max}");
    send_raw(&there, &packet(Head::piece(FULL.len()), FULL), &[]);
    assert!(!here.look());
    assert!(here.memory() <= 6 * FULL.len());
}

#[test]
fn what_is_stepped_over_costs_its_packets_and_no_memory() {
    for large in BOTH {
        let (mut here, mut there) = connection_by(large);
        let mut progress = Progress::default();
        let sizes = [5000, 200_000];
        let mut steps = 0;
        for size in sizes {
            let body = pattern(size);
            let mut is_sent = false;
            let taken = loop {
                if !is_sent {
                    let sent = here.send_on(&mut progress, Format::Bytes, &body, Timeout::Now);
                    assert!(matches!(sent, Ok(()) | Err(Error::WouldBlock)));
                    is_sent = sent.is_ok();
                }
                if let Some(taken) = there.step(4096).unwrap() {
                    break taken;
                }
                steps += 1;
            };
            progress = Progress::default();
            assert_eq!((taken.format(), taken.length()), (Format::Bytes, size));
            assert_eq!(taken.read().unwrap(), None);
            assert!(there.memory() <= limits::MESSAGE_PACKET);
        }
        assert_eq!(steps > 0, large == Large::Pieces);
        here.send(Format::Value, b"\xc0", NEVER).unwrap();
        let kept = there.step(4096).unwrap().unwrap();
        assert_eq!(kept.read().unwrap(), Some(Message { format: Format::Value, body: b"\xc0".to_vec() }));
        assert!(matches!(there.step(4096), Err(Error::WouldBlock)));
        assert_eq!(there.received(), 3);
    }
}

#[test]
fn a_sender_of_pieces_has_no_more_on_its_way_than_a_socket_holds() {
    for bytes in [limits::INLINE_PAYLOAD, 1 << 20, MAX] {
        let (mut here, there) = connection_by(Large::Pieces);
        let body = pattern(bytes);
        while here.send(Format::Bytes, &body, Timeout::Now).is_ok() {}
        let (mut come, mut buffer) = (0, Vec::with_capacity(limits::MESSAGE_PACKET));
        while let Ok(length) = rustix::io::retry_on_intr(|| {
            buffer.clear();
            rustix::net::recv(&there, spare_capacity(&mut buffer), rustix::net::RecvFlags::DONTWAIT)
                .map(|(length, _)| length)
        }) {
            come += length;
        }
        assert!((1..=limits::SOCKET_BUFFER + limits::MESSAGE_PACKET).contains(&come), "{come}");
    }
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
    let (mut here, there) = hostile_peer();
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
        let (mut here, there) = hostile_peer();
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

/// An end that takes handles, or refuses them, and a bare socket at the other side.
fn taker(handles: Handles) -> (Endpoint, OwnedFd) {
    let (here, there) = hostile_peer();
    (here.handling(handles), there)
}

/// Whether the other end of this pipe is open in any hand.
fn is_open(reader: &OwnedFd) -> bool {
    rustix::io::ioctl_fionbio(reader, true).unwrap();
    rustix::io::read(reader, &mut [0; 1]) == Err(Errno::AGAIN)
}

#[test]
fn a_handle_comes_with_its_message_and_with_no_other() {
    let (here, mut there) = connection();
    let mut here = here.handling(Handles::Take);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    there.send(Format::Bytes, b"before", SOON).unwrap();
    there.send_with(Format::Bytes, b"with", writer.as_fd(), SOON).unwrap();
    there.send(Format::Bytes, b"after", SOON).unwrap();
    drop(writer);
    assert_eq!(here.recv(SOON).unwrap(), text("before"));
    assert!(here.take_handle().is_none());
    assert_eq!(here.recv(SOON).unwrap(), text("with"));
    let handle = here.take_handle().unwrap();
    assert!(here.take_handle().is_none() && is_open(&reader));
    assert_eq!(here.recv(SOON).unwrap(), text("after"));
    assert!(here.take_handle().is_none());
    drop(handle);
    assert!(!is_open(&reader));
    assert_eq!((here.received(), there.sent()), (3, 3));
}

#[test]
fn a_handle_that_nobody_takes_is_closed_by_the_next_receive_and_with_its_end() {
    for ends in [false, true] {
        let (here, mut there) = connection();
        let mut here = here.handling(Handles::Take);
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        there.send_with(Format::Value, b"\xc0", writer.as_fd(), SOON).unwrap();
        drop(writer);
        assert_eq!(here.recv_batch(SOON).unwrap(), b"\x91\xc7\x01\x01\xc0");
        assert!(is_open(&reader));
        if ends {
            drop(here);
        } else {
            assert!(matches!(here.recv(Timeout::Now), Err(Error::WouldBlock)));
        }
        assert!(!is_open(&reader));
    }
}

#[test]
fn a_large_message_and_a_handle_do_not_come_together() {
    let (mut here, there) = connection();
    let large = vec![0; limits::INLINE_PAYLOAD + 1];
    let sent = here.send_with(Format::Bytes, &large, there.as_fd(), SOON);
    assert!(matches!(sent, Err(Error::TooLarge { max: limits::INLINE_PAYLOAD })));
    assert!(matches!(here.send_with(Format::Failure, b"x", there.as_fd(), SOON), Err(Error::Invalid(_))));
    // A message with a handle between two pieces of another one.
    let begin = packet(Head::begin(Format::Bytes, 70_000), &vec![0; limits::INLINE_PAYLOAD]);
    let with = packet(Head::with_handle(Format::Bytes, 1), b"x");
    let (mut here, there) = taker(Handles::Take);
    send_raw(&there, &begin, &[]);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    send_raw(&there, &with, &[writer.as_fd()]);
    drop(writer);
    assert!(matches!(here.recv(SOON), Err(Error::Broken(Broken::Descriptors { expected: 0, found: 1 }))));
    assert!(!is_open(&reader));
}

#[test]
fn a_handle_that_is_refused_is_closed_and_the_connection_goes_on() {
    let (mut here, there) = taker(Handles::Refuse);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    send_raw(&there, &packet(Head::with_handle(Format::Bytes, 1), b"x"), &[writer.as_fd()]);
    drop(writer);
    send_raw(&there, b"\x91\xc4\x01y", &[]);
    assert!(matches!(here.recv(SOON), Err(Error::HandleRefused)));
    assert!(!is_open(&reader));
    assert_eq!(here.recv(SOON).unwrap(), text("y"));
    assert!(here.take_handle().is_none());
    // Found while nobody received, it is told all the same.
    let (_reader, writer) = rustix::pipe::pipe().unwrap();
    send_raw(&there, &packet(Head::with_handle(Format::Bytes, 1), b"x"), &[writer.as_fd()]);
    send_raw(&there, b"\x91\xc4\x01z", &[]);
    assert!(here.look());
    assert!(matches!(here.recv(SOON), Err(Error::HandleRefused)));
    assert_eq!(here.recv(SOON).unwrap(), text("z"));
}

#[test]
fn handles_too_many_too_few_or_unwanted_close_the_connection_and_none_is_kept() {
    let with = packet(Head::with_handle(Format::Bytes, 1), b"x");
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    let broken = |handles, count: usize| {
        let (mut here, there) = taker(handles);
        send_raw(&there, &with, &vec![pipe.as_fd(); count]);
        match here.recv(SOON) {
            Err(Error::Broken(broken)) => {
                assert!(matches!(here.recv(SOON), Err(Error::Closed)));
                Some(broken)
            }
            Err(Error::NoRoomForHandle) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(broken(Handles::Breach, 1), Some(Broken::Handle));
    assert_eq!(broken(Handles::Take, 0), Some(Broken::Descriptors { expected: 1, found: 0 }));
    assert_eq!(broken(Handles::Take, 2), Some(Broken::Descriptors { expected: 1, found: 2 }));
    // The kernel does not say whether there were too many or there was too little room.
    assert_eq!(broken(Handles::Take, 100), None);
    assert_eq!(breach(b"\x91\xc4\x01x", &[pipe.as_fd()]), Broken::Descriptors { expected: 0, found: 1 });
}

#[test]
fn an_end_without_shutdown_is_closed_when_it_is_dropped() {
    let (here, mut there) = connection();
    let mut here = here.without_shutdown();
    here.disconnect();
    assert!(here.is_disconnected() && matches!(there.recv(Timeout::Now), Err(Error::WouldBlock)));
    drop(here);
    assert!(matches!(there.recv(SOON), Err(Error::Closed)));
}
