use super::*;
use sandhog_channel::{Error as Ended, Message, pair};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;

/// Long enough that only a hang lasts longer.
const SOON: Timeout = Timeout::After(Duration::from_secs(60));

/// A program's end, the job's end, and what is between them.
fn bridged() -> (UnixStream, Endpoint, Bridge) {
    let (program, ours) = UnixStream::pair().unwrap();
    let (job, other) = pair().unwrap();
    let output = ours.try_clone().unwrap().into();
    let bridge = bridge(Lines { input: ours.into(), output }, other).unwrap();
    (program, Endpoint::new(job, MAX), bridge)
}

fn finish(bridge: Bridge) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(bridge.finish());
}

fn value(body: &[u8]) -> Message {
    Message { format: Format::Value, body: body.to_vec() }
}

#[test]
fn lines_become_messages_and_messages_lines() {
    let (mut program, mut job, bridge) = bridged();
    program.write_all(b"[1]\n\n{\"$bytes\":\"AAE=\"}\r\n{\"$failure\":\"x\"}\n2\n").unwrap();
    assert_eq!(job.recv(SOON).unwrap(), value(b"\x91\x01"));
    assert_eq!(job.recv(SOON).unwrap(), Message { format: Format::Bytes, body: vec![0, 1] });
    assert_eq!(job.recv(SOON).unwrap(), Message { format: Format::Failure, body: b"x".to_vec() });
    assert_eq!(job.recv(SOON).unwrap(), value(b"\x02"));
    job.send(Format::Value, b"\x81\xa1a\xc0", SOON).unwrap();
    job.send(Format::Failure, b"no", SOON).unwrap();
    drop(job);
    finish(bridge);
    drop(program.shutdown(std::net::Shutdown::Write));
    let lines: Vec<_> = BufReader::new(program).lines().map(Result::unwrap).collect();
    assert_eq!(lines, ["{\"a\":null}", "{\"$failure\":\"no\"}"]);
}

#[test]
fn lines_that_come_together_arrive_in_order_and_a_large_one_between_them_too() {
    let (program, mut job, _bridge) = bridged();
    let large = format!("\"{}\"\n", "x".repeat(1 << 20));
    let text: String = (0..5000).map(|n| if n == 2500 { large.clone() } else { format!("{n}\n") }).collect();
    let writer = thread::spawn(move || (&program).write_all(text.as_bytes()).map(|()| program).unwrap());
    for number in 0..5000_u64 {
        let message = job.recv(SOON).unwrap();
        if number == 2500 {
            assert_eq!(message.body.len(), (1 << 20) + 5);
            continue;
        }
        let mut line = Vec::new();
        json::say(message.format, &message.body).unwrap().write(&mut line).unwrap();
        assert_eq!(line, number.to_string().as_bytes());
    }
    drop(writer.join().unwrap());
}

#[test]
fn the_end_of_the_lines_is_heard_behind_what_was_in_them_and_the_job_can_still_answer() {
    let (mut program, mut job, bridge) = bridged();
    // The last line needs no end.
    program.write_all(b"1\n2").unwrap();
    program.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(job.recv(SOON).unwrap(), value(b"\x01"));
    assert_eq!(job.recv(SOON).unwrap(), value(b"\x02"));
    assert!(matches!(job.recv(SOON), Err(Ended::Closed)));
    job.send(Format::Value, b"\x03", SOON).unwrap();
    drop(job);
    finish(bridge);
    let mut rest = String::new();
    program.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "3\n");
}

#[test]
fn a_line_that_is_no_message_is_the_end_of_the_lines_and_answers_still_come_out() {
    for broken in [&b"1\n{\n2\n"[..], b"1\n{\"$nonsense\":1}\n2\n", b"1\n\xff\n"] {
        let (mut program, mut job, bridge) = bridged();
        program.write_all(broken).unwrap();
        assert_eq!(job.recv(SOON).unwrap(), value(b"\x01"));
        assert!(matches!(job.recv(SOON), Err(Ended::Closed)));
        job.send(Format::Value, b"\xc0", SOON).unwrap();
        drop(job);
        finish(bridge);
        let mut answers = String::new();
        program.read_to_string(&mut answers).unwrap();
        assert_eq!(answers, "null\n");
    }
}

#[test]
fn a_reader_that_has_gone_closes_the_connection() {
    let (program, mut job, bridge) = bridged();
    drop(program);
    assert!(matches!(job.recv(SOON), Err(Ended::Closed)));
    // The first message meets nobody; from then on the job knows.
    while job.send(Format::Value, b"\xc0", SOON).is_ok() {}
    finish(bridge);
}

#[test]
fn what_is_no_value_is_not_passed_on() {
    let (program, mut job, bridge) = bridged();
    job.send(Format::Value, b"\x01", SOON).unwrap();
    job.send(Format::Value, b"\xc1", SOON).unwrap();
    assert!(matches!(job.recv(SOON), Err(Ended::Closed)));
    finish(bridge);
    let mut first = String::new();
    BufReader::new(program).read_line(&mut first).unwrap();
    assert_eq!(first, "1\n");
}

#[test]
fn a_program_that_does_not_read_makes_the_job_wait() {
    let (program, mut job, _bridge) = bridged();
    let body = [&b"\xc5\x10\x00"[..], &[7; 4096]].concat();
    let mut sent = 0;
    while job.send(Format::Value, &body, Timeout::After(Duration::from_millis(200))).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "somebody keeps what nobody reads");
    }
    let mut lines = BufReader::new(program).lines();
    assert!((0..sent).all(|_| lines.next().unwrap().unwrap().len() > 5000));
}

#[test]
fn a_program_that_never_reads_is_not_waited_for_for_ever() {
    let (_program, mut job, bridge) = bridged();
    job.send(Format::Bytes, &vec![0; 4 << 20], SOON).unwrap();
    drop(job);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(bridge.finish_within(Duration::from_millis(50)));
}

#[test]
fn descriptors_that_go_the_wrong_way_are_refused() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
    let copy = |fd: &OwnedFd, number| (fd.try_clone().unwrap(), number);
    let error = Lines::checked("--ipc", copy(&writer, 3), copy(&writer, 4)).unwrap_err();
    assert_eq!(error.to_string(), "--ipc: file descriptor 3 can't be read");
    let error = Lines::checked("--ipc", copy(&reader, 3), copy(&reader, 3)).unwrap_err();
    assert_eq!(error.to_string(), "--ipc: file descriptor 3 can't be written");
    assert!(error.hint().is_some());
    Lines::checked("--ipc", copy(&reader, 3), copy(&writer, 4)).unwrap();
    let error = Other::open(Connection::Lines { input: 1023, output: 1023 }).unwrap_err();
    assert_eq!(error.to_string(), "--ipc: file descriptor 1023 is not open");
}
