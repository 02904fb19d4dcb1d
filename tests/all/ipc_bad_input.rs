//! Programs outside that talk badly to their job: lines that are none, descriptors that go the wrong way, and nobody who reads.

use rustix::process::Signal;
use sandhog_harness::{Command, DEADLINE, Running, process, until};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// What the command may need at its most, in bytes: some 12 MiB by itself, and what is on its way in both directions.
const FLAT: u64 = 64 << 20;

/// The longest line, in bytes: a message of 64 MiB in base64, and 64 KiB.
const LONGEST: usize = (64 << 20) / 3 * 4 + (64 << 10);

fn lines_of(run: impl FnOnce(String) -> Command) -> (Command, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(DEADLINE)).unwrap();
    ours.set_write_timeout(Some(DEADLINE)).unwrap();
    let theirs = OwnedFd::from(theirs);
    (run(format!("--ipc={}", theirs.as_raw_fd())).pass_on(theirs), ours)
}

/// A job that runs, and the program's end of its lines.
fn started(name: &str) -> (Running, UnixStream) {
    let (run, program) = lines_of(|flag| Command::guest(name).flag(flag));
    (run.start(), program)
}

fn read_line(program: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(program).read_line(&mut line).unwrap();
    line
}

/// The echo hears `before`, whose answer comes out, then bytes that are no line: the connection is closed with a sentence, and
/// the job ends as one whose parent has gone.
fn closes(bytes: &[u8], sentence: &str) {
    let (running, mut program) = started("echo");
    program.write_all(b"\"before\"\n").unwrap();
    program.write_all(bytes).unwrap();
    program.shutdown(Shutdown::Write).unwrap();
    let mut answers = String::new();
    program.read_to_string(&mut answers).unwrap();
    assert_eq!(answers, "\"before\"\n");
    let stderr = format!("sandhog: --ipc: line 2: {sentence}; the connection to the job is closed\n");
    running.wait().is(0, "completed").reported(0, &stderr);
}

#[test]
fn a_line_that_says_no_message_is_told_with_what_is_wrong_with_it() {
    closes(b"{\"a\":1\n\"after\"\n", "it is no JSON: EOF while parsing an object at column 6");
    closes(b"{\"a\":", "it is no JSON: EOF while parsing a value at column 5");
    closes(b"1 2\n", "it is no JSON: trailing characters at column 3");
    closes(b"\"\xff\"\n", "it is no JSON: invalid unicode code point at column 2");
    closes(b"\0\n", "it is no JSON: expected value at column 1");
    let nonsense = "an object whose only key is \"$nonsense\" means nothing; keys that begin with $ are ours";
    closes(b"{\"$nonsense\":1}\n", nonsense);
    closes(
        b"{\"$\x1b[2J\":1}\n",
        "it is no JSON: control character (\\u0000-\\u001F) found while parsing a string at column 4",
    );
    closes(b"{\"$\\u001b[2J\":1}\n", &nonsense.replace("$nonsense", "$\\u{1b}[2J"));
    closes(b"{\"$bytes\":\"?\"}\n", "what \"$bytes\" has is not base64: Invalid symbol 63, offset 0.");
    closes(b"{\"$failure\":7}\n", "\"$failure\" does not have what belongs to it");
    closes(b"[{\"$failure\":\"no\"}]\n", "\"$failure\" is a whole message, not a part of one");
    closes(b"\"\\ud800\"\n", "half of a surrogate pair, \\ud800 to \\udfff, stands alone at column 8: it is no text");
    closes(b"[-1e400]\n", "the number at column 7 is larger than a float of 64 bits");
    let deep = ["[".repeat(1000), "]".repeat(1000)].concat() + "\n";
    closes(deep.as_bytes(), "it is nested deeper than 127 levels, at column 128");
}

#[test]
fn lines_come_in_any_pieces_and_with_nothing_between_them() {
    let (running, mut program) = started("echo");
    for byte in b"\n  \n\r\n{\"a\": [1, \"\xc3\xa4\"]}\r\n\n2" {
        program.write_all(&[*byte]).unwrap();
    }
    program.shutdown(Shutdown::Write).unwrap();
    let mut answers = String::new();
    program.read_to_string(&mut answers).unwrap();
    assert_eq!(answers, "{\"a\":[1,\"ä\"]}\n2\n");
    running.wait().reported(0, "");
}

#[test]
fn a_line_without_end_is_refused_at_the_longest_and_leaves_the_memory_bounded() {
    let (running, mut program) = started("echo");
    program.write_all(b"1\n").unwrap();
    assert_eq!(read_line(&program), "1\n");
    let piece = vec![b'x'; 1 << 20];
    // It is not read to its end: then writing fails.
    let written = (0..1000).take_while(|_| program.write_all(&piece).is_ok()).count() << 20;
    let peak = process::peak_bytes(running.pid);
    assert!((LONGEST - piece.len()..LONGEST + (8 << 20)).contains(&written), "{written} bytes were taken");
    drop(program);
    let sentence = format!("line 2 is longer than {LONGEST} bytes");
    running.wait().reported(0, &format!("sandhog: --ipc: {sentence}; the connection to the job is closed\n"));
    // A buffer that grows holds twice what is in it, and while it grows the one before is there, too.
    assert!(peak.is_none_or(|peak| peak < 4 * LONGEST as u64), "{peak:?} bytes");
}

#[test]
fn a_program_that_never_reads_makes_the_job_wait_and_ctrl_c_ends_it() {
    let (run, program) = lines_of(|flag| Command::guest("flood").flag(flag).arg("100000000").arg("100"));
    let running = run.start();
    // Once nothing more arrives for a while, all that holds something is full.
    let (mut before, mut quiet) = (0, 0);
    until("a job that waits", || {
        let now = rustix::io::ioctl_fionread(&program).unwrap();
        quiet = if now > 0 && now == before { quiet + 1 } else { 0 };
        before = now;
        (quiet == 100).then_some(())
    });
    assert!(process::peak_bytes(running.pid).unwrap() < FLAT);
    running.signal(Signal::INT);
    let outcome = running.wait();
    outcome.is(130, "stopped");
    assert!(outcome.stderr.starts_with("sandhog: stopped: by Ctrl-C\n"), "{outcome:#?}");
    drop(program);
}

#[test]
fn a_program_that_closes_its_end_leaves_the_job_its_own_code() {
    // Half of a message is no message, and what the job answers goes nowhere.
    let (running, mut program) = started("sum-child");
    program.write_all(b"1\n2\n").unwrap();
    drop(program);
    let outcome = running.wait();
    // Its parent went without saying that there are no more numbers.
    outcome.is(1, "failed").reported(1, "error: the other end has gone\n");
}

fn refused(fds: Vec<OwnedFd>, reason: &str) {
    let numbers: Vec<_> = fds.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
    let run = Command::guest("hello").flag(format!("--ipc={}", numbers.join(","))).without_verdict();
    let outcome = fds.into_iter().fold(run, Command::pass_on).run();
    let number = numbers.iter().find(|number| outcome.stderr.contains(*number)).unwrap();
    let sentence =
        format!("sandhog: --ipc: file descriptor {number} {reason}\n  hint: one end of a socket pair can be");
    assert!(outcome.code == 126 && outcome.stderr.starts_with(&sentence), "{sentence}: {outcome:#?}");
    assert!(outcome.stdout.is_empty() && outcome.stderr.lines().count() == 2, "{outcome:#?}");
}

#[test]
fn descriptors_that_go_one_way_alone_are_refused_before_anything_starts() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (other_reader, other_writer) = std::io::pipe().unwrap();
    refused(vec![reader.into()], "can't be written");
    refused(vec![writer.into()], "can't be read");
    refused(vec![other_writer.into(), other_reader.into()], "can't be read");
    let scratch = sandhog_harness::Folder::new();
    let file = fs::OpenOptions::new().read(true).write(true).open(scratch.file("file", "1\n")).unwrap();
    refused(vec![file.into()], "is a file or a directory, which can't answer");
    refused(vec![fs::File::open(scratch.path()).unwrap().into()], "is a file or a directory, which can't answer");
    assert_eq!(fs::read_to_string(scratch.join("file")).unwrap(), "1\n");
}

#[test]
fn a_connection_by_two_pipes_needs_no_socket() {
    let (input, mut to_job) = std::io::pipe().unwrap();
    let (mut from_job, output) = std::io::pipe().unwrap();
    let (input, output) = (OwnedFd::from(input), OwnedFd::from(output));
    let run = Command::guest("sum-child").flag(format!("--ipc={},{}", input.as_raw_fd(), output.as_raw_fd()));
    let running = run.pass_on(input).pass_on(output).start();
    to_job.write_all(b"40\n2\nnull\n").unwrap();
    let mut said = String::new();
    from_job.read_to_string(&mut said).unwrap();
    assert_eq!(said, "42\n");
    running.wait().reported(0, "");
}
