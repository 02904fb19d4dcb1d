//! Programs outside talk to their jobs: by the client library, and by lines of JSON.

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sandhog_client::{Error, Job, Reason, Timeout};
use sandhog_harness::{Command, DEADLINE, guest, sandhog};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const SOON: Timeout = Timeout::After(DEADLINE);

fn job(name: &str) -> Job {
    Job::new(guest(name)).executable(sandhog())
}

/// A job, and the program's end of its lines.
fn lines(name: &str) -> (Command, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(DEADLINE)).unwrap();
    let theirs = OwnedFd::from(theirs);
    (Command::guest(name).flag(format!("--ipc={}", theirs.as_raw_fd())).pass_on(theirs), ours)
}

fn read_line(program: &mut impl BufRead) -> String {
    let mut line = String::new();
    program.read_line(&mut line).unwrap();
    line
}

#[test]
fn a_rust_program_talks_to_its_job() {
    let mut echo = job("echo").start().unwrap();
    echo.send(&("text", -1, [0.5])).unwrap();
    assert_eq!(echo.recv_timeout::<(String, i32, Vec<f64>)>(SOON).unwrap(), ("text".into(), -1, vec![0.5]));
    let large: Vec<u8> = (0..3_000_000).map(|at| (at * 7 / 3) as u8).collect();
    echo.send_bytes(&large).unwrap();
    assert!(echo.recv_bytes_timeout(SOON).unwrap() == large);
    echo.disconnect();
    let verdict = echo.wait().unwrap();
    assert_eq!((verdict.reason, verdict.exit_code), (Reason::Completed { code: 0 }, 0));
    assert_eq!((verdict.usage.messages_received, verdict.usage.messages_sent), (2, 2));
}

#[test]
fn messages_in_batches_come_back_in_order() {
    let mut echo = job("echo").arg("batch").start().unwrap();
    let mut receiver = echo.try_clone().unwrap();
    let received =
        std::thread::spawn(move || (0..50_000_u32).all(|number| receiver.recv_timeout::<u32>(SOON).unwrap() == number));
    echo.send_all(&(0..50_000_u32).collect::<Vec<_>>()).unwrap();
    assert!(received.join().unwrap());
    echo.finish_sending();
    assert!(echo.wait().unwrap().is_success());
}

#[test]
fn a_handler_answers_a_rust_program() {
    let mut handler = job("hello-handler").start().unwrap();
    assert_eq!(handler.call::<_, String>("you", SOON).unwrap(), Ok("Hello, you!".into()));
    assert_eq!(handler.call::<_, String>("", SOON).unwrap(), Err("whom?".into()));
    handler.finish_sending();
    assert!(handler.wait().unwrap().is_success());
}

#[test]
fn a_task_that_ends_the_job_is_told_with_its_verdict() {
    // It has no connection, so nobody answers.
    let mut job = job("trap_unreachable").start().unwrap();
    // Where it ends before it has got the task, that is no task of its.
    match job.call::<_, u8>(&1, SOON) {
        Err(Error::Poisoned(verdict)) => assert!(matches!(verdict.reason, Reason::Trapped { .. })),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_ends_with_the_handle_to_it() {
    let echo = job("echo").start().unwrap();
    let process = format!("/proc/{}", echo.id());
    assert!(fs::exists(&process).unwrap());
    drop(echo);
    assert!(!fs::exists(&process).unwrap());
}

#[test]
fn a_job_can_be_stopped_and_waited_for_with_an_end() {
    let mut echo = job("echo").start().unwrap();
    assert!(matches!(echo.wait_timeout(Timeout::Now), Err(Error::WouldBlock)));
    assert!(matches!(echo.wait_timeout(Timeout::After(Duration::from_millis(5))), Err(Error::TimedOut)));
    // It runs, so the command listens for signals.
    echo.send(&1).unwrap();
    echo.recv::<u8>().unwrap();
    echo.stop().unwrap();
    assert!(matches!(echo.wait().unwrap().reason, Reason::Stopped { .. }));
    assert!(matches!(echo.recv::<u8>(), Err(Error::Closed)));
}

#[test]
fn a_program_in_any_language_talks_to_its_job_in_lines() {
    let (run, mut program) = lines("word-handler");
    let run = run.start();
    program.write_all(b"\"one three\"\n\"\"\n").unwrap();
    let mut reader = BufReader::new(program.try_clone().unwrap());
    assert_eq!(read_line(&mut reader), "{\"words\":2,\"longest\":\"three\",\"tasks\":1}\n");
    assert_eq!(read_line(&mut reader), "{\"$failure\":\"there is no word in it\"}\n");
    program.shutdown(Shutdown::Write).unwrap();
    let outcome = run.wait();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
}

#[test]
fn what_a_job_said_before_its_end_is_written_before_the_command_ends() {
    let (run, mut program) = lines("sum-child");
    program.write_all(b"1\n2\n39\nnull\n").unwrap();
    assert_eq!(run.run().code, 0);
    let mut said = String::new();
    program.read_to_string(&mut said).unwrap();
    assert_eq!(said, "42\n");
}

#[test]
fn a_line_that_is_no_json_closes_the_connection_and_not_the_job() {
    let (run, mut program) = lines("echo");
    program.write_all(b"1\n{oops\n2\n").unwrap();
    let outcome = run.run();
    // Its parent has gone, as far as it knows.
    assert_eq!(outcome.code, 0);
    let sentence = "sandhog: --ipc: line 2: it is no JSON: key must be a string at column 2; \
                    the connection to the job is closed\n";
    assert_eq!(outcome.stderr, sentence);
}

#[test]
fn a_program_that_goes_away_is_heard_of_by_the_job() {
    let (run, mut program) = lines("echo");
    let run = run.start();
    program.write_all(b"1\n").unwrap();
    assert_eq!(read_line(&mut BufReader::new(&program)), "1\n");
    drop(program);
    let outcome = run.wait();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
}

#[test]
fn a_descriptor_that_is_not_there_is_refused_with_what_to_do() {
    let outcome = Command::guest("hello").flag("--ipc=77").without_verdict().run();
    assert_eq!(outcome.code, 126);
    assert!(
        outcome.stderr.starts_with("sandhog: --ipc: file descriptor 77 is not open\n  hint: "),
        "{}",
        outcome.stderr
    );
    let file = OwnedFd::from(fs::File::open("/dev/null").unwrap());
    let outcome =
        Command::guest("hello").flag(format!("--ipc={}", file.as_raw_fd())).pass_on(file).without_verdict().run();
    assert_eq!(outcome.code, 126);
    assert!(outcome.stderr.contains("can't be written\n  hint: "), "{}", outcome.stderr);
    let (stream, _other) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    for flag in ["--channel", "--usage"] {
        let stream = stream.try_clone().unwrap();
        let run = Command::guest("hello").flag(format!("{flag}={}", stream.as_raw_fd())).pass_on(stream);
        let outcome = run.without_verdict().run();
        assert!(outcome.stderr.starts_with(&format!("sandhog: {flag}: file descriptor ")), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("is no socket of type SOCK_SEQPACKET"), "{}", outcome.stderr);
    }
}
