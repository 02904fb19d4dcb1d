//! What a command's stdin, stdout and stderr are to the guest: the same as to any other program.

use rustix::process::{Pid, Signal, WaitOptions, getpgid, kill_process_group, waitpid};
use sandhog_harness::{Command, Folder, Outcome, Running, Terminal, guest, process, sandhog, terminal, until};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

const TURNS: usize = 300;

fn turns(to: impl Into<OwnedFd>) -> Command {
    let out = to.into();
    let err = out.try_clone().unwrap();
    Command::guest("writes_in_turns").arg(TURNS.to_string()).stdout_to(out).stderr_to(err)
}

fn in_turns() -> String {
    (0..TURNS).map(|number| format!("out {number}\nerr {number}\n")).collect()
}

fn appending(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).unwrap()
}

fn read_all(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn stdout_and_stderr_that_are_one_file_keep_their_order() {
    let scratch = Folder::new();
    let path = scratch.join("both");
    for file in [File::create(&path).unwrap(), appending(&path)] {
        turns(file).run().is(0, "completed");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), in_turns());
        std::fs::write(&path, "").unwrap();
    }
    // Opened twice, where both append.
    let run = turns(appending(&path)).stderr_to(appending(&path)).run();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), in_turns());
    assert_eq!(
        (run.number("output_bytes"), run.number("stdout_bytes")),
        (in_turns().len() as u64, in_turns().len() as u64 / 2)
    );
}

#[test]
fn stdout_and_stderr_that_are_one_pipe_socket_or_terminal_keep_their_order() {
    let (reads, writes) = rustix::pipe::pipe().unwrap();
    let run = turns(writes).start();
    assert_eq!(read_all(File::from(reads)), in_turns());
    run.wait().is(0, "completed");
    let (here, there) = UnixStream::pair().unwrap();
    let run = turns(OwnedFd::from(there)).start();
    assert_eq!(read_all(here), in_turns());
    run.wait().is(0, "completed");
    let (end, shown) = terminal();
    turns(end).run().is(0, "completed");
    assert_eq!(String::from_utf8(shown.whole()).unwrap(), in_turns().replace('\n', "\r\n"));
}

#[test]
fn of_streams_that_are_one_the_sum_is_counted_and_each_is_what_the_worker_says() {
    let scratch = Folder::new();
    let run = turns(File::create(scratch.join("both")).unwrap()).run();
    let each = ["stdout_bytes", "stderr_bytes"].map(|key| run.number(key));
    assert_eq!((run.number("output_bytes"), each), (in_turns().len() as u64, [in_turns().len() as u64 / 2; 2]));
    // One that was killed has said nothing.
    let file = File::create(scratch.join("both")).unwrap();
    let killed =
        Command::guest("spew").flag("--max-output=100KiB").stderr_to(file.try_clone().unwrap()).stdout_to(file).run();
    assert_eq!(killed.is(153, "output").number("output_bytes"), 100 << 10);
    assert!(killed.verdict["stdout_bytes"].is_null() && killed.verdict["stderr_bytes"].is_null(), "{killed:?}");
    // Those that are two are counted here.
    let apart = Command::guest("spew").flag("--max-output=100KiB").run();
    assert_eq!((apart.number("stdout_bytes"), apart.number("output_bytes")), (100 << 10, 100 << 10));
}

#[test]
fn lines_that_are_written_in_one_call_are_not_torn_between_runs_that_append_to_one_file() {
    const COUNT: usize = 60;
    let scratch = Folder::new();
    for length in [90, 10_000, 200_000] {
        let path = scratch.join("log");
        let write = |letter: &str| {
            let run = Command::guest("writes_lines").arg(letter).arg(length.to_string()).arg(COUNT.to_string());
            run.stdout_to(appending(&path)).start()
        };
        let running = ["a", "b", "c", "d"].map(write);
        for run in running {
            run.wait().is(0, "completed");
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4 * COUNT);
        for line in text.lines() {
            let first = &line[..1];
            assert!(line.len() == length && line.bytes().all(|byte| byte == first.as_bytes()[0]), "{length}: torn");
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_guest_that_does_not_read_takes_nothing() {
    let scratch = Folder::new();
    let mut file = scratch_file(&scratch, b"for somebody else\n");
    Command::guest("hello").stdin_from(file.try_clone().unwrap()).run().printed("hello\n");
    assert_eq!(file.stream_position().unwrap(), 0);
    let (reads, writes) = rustix::pipe::pipe().unwrap();
    rustix::io::write(&writes, b"for somebody else\n").unwrap();
    drop(writes);
    Command::guest("hello").stdin_from(reads.try_clone().unwrap()).run().printed("hello\n");
    assert_eq!(read_all(File::from(reads)), "for somebody else\n");
}

fn scratch_file(scratch: &Folder, bytes: &[u8]) -> File {
    let path = scratch.join("input");
    std::fs::write(&path, bytes).unwrap();
    File::open(path).unwrap()
}

#[test]
fn a_file_is_left_where_the_guest_stopped() {
    let scratch = Folder::new();
    for length in [5, 200_000] {
        let mut file = scratch_file(&scratch, &vec![b'x'; length]);
        let run = Command::guest("take_four.wat").stdin_from(file.try_clone().unwrap()).run();
        assert_eq!(run.printed("xxxx").number("stdin_bytes"), 4);
        assert_eq!(file.stream_position().unwrap(), 4);
    }
    let mut file = scratch_file(&scratch, b"1234567890ab");
    for part in ["1234", "5678", "90ab"] {
        Command::guest("take_four.wat").stdin_from(file.try_clone().unwrap()).run().printed(part);
    }
    assert_eq!(file.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn of_a_stream_no_more_is_read_ahead_than_a_pipe_holds() {
    const LENGTH: usize = 400_000;
    let (reads, writes) = rustix::pipe::pipe().unwrap();
    let (here, there) = UnixStream::pair().unwrap();
    for (writes, reads) in [(writes, reads), (here.into(), OwnedFd::from(there))] {
        let writer = std::thread::spawn(move || drop(File::from(writes).write_all(&[b'x'; LENGTH])));
        Command::guest("take_four.wat").stdin_from(reads.try_clone().unwrap()).run().printed("xxxx");
        let mut rest = Vec::new();
        File::from(reads).read_to_end(&mut rest).unwrap();
        writer.join().unwrap();
        assert!(rest.len() + 4 + (64 << 10) >= LENGTH, "{} are gone", LENGTH - rest.len());
    }
}

#[test]
fn input_that_can_t_be_read_is_an_error_and_not_an_end() {
    let failed = |run: Outcome, reason: &str| {
        run.is(1, "failed");
        assert!(run.stderr.contains(reason), "{run:?}");
    };
    failed(Command::guest("cat").stdin_from(File::open("/").unwrap()).run(), "Is a directory");
    let write_only = OpenOptions::new().write(true).open("/dev/null").unwrap();
    failed(Command::guest("cat").stdin_from(write_only).run(), "Bad file descriptor");
    let (here, there) = reset_after(b"begin ");
    let run = Command::guest("cat").stdin_from(OwnedFd::from(there)).start();
    until("the begin", || (run.stdout.so_far() == b"begin ").then_some(()));
    drop(here);
    failed(run.wait(), "Connection reset");
}

/// A connection that is reset when the first is dropped: something lies there that it has not read.
fn reset_after(bytes: &[u8]) -> (UnixStream, UnixStream) {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    here.write_all(bytes).unwrap();
    there.write_all(b"unread").unwrap();
    (here, there)
}

#[allow(unsafe_code)]
fn close_in_child(number: i32) -> std::io::Result<()> {
    // SAFETY: nothing in this child uses the number between here and its exec.
    unsafe { rustix::io::close(number) };
    Ok(())
}

/// EBADF of WASI 0.1.
const BADF: i32 = 8;

#[test]
fn a_closed_output_is_an_error_as_it_is_to_echo() {
    let run = |closed| Command::guest("write_errors.wat").in_child(move || close_in_child(closed)).run();
    assert_eq!(run(1).code, 16 * BADF);
    assert_eq!(run(2).code, BADF);
    // Beside the real one, what takes its place is another thing.
    let null = || OpenOptions::new().write(true).open("/dev/null").unwrap();
    assert_eq!(
        Command::guest("write_errors.wat").stderr_to(null()).in_child(|| close_in_child(1)).run().code,
        16 * BADF
    );
    assert_eq!(Command::guest("write_errors.wat").stdout_to(null()).in_child(|| close_in_child(2)).run().code, BADF);
    let read_only = File::open("/dev/null").unwrap();
    assert_eq!(Command::guest("write_errors.wat").stdout_to(read_only).run().code, 16 * BADF);
    Command::guest("write_errors.wat").run().is(0, "completed");
    // One that writes nothing has no error.
    Command::guest("exit_code").arg("0").in_child(|| close_in_child(1)).run().is(0, "completed");
}

#[test]
fn output_that_finds_no_room_is_nobody_s_fault() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = Command::guest("hello").stdout_to(full).run();
    run.is(125, "lost");
    assert!(run.stderr.contains("No space left") && !run.stderr.contains("report it"), "{run:?}");
}

#[test]
fn to_a_terminal_text_and_colours_pass_and_nothing_else() {
    let shown = |run: Command| {
        let (end, shown) = terminal();
        run.stdout_to(end).run().is(0, "completed");
        String::from_utf8(shown.whole()).unwrap()
    };
    let plain = "\x1b[31mred\x1b[0m \\u{1b}[2J\\u{1b}]0;title\\u{7}\\u{1b}[6n end\r\n";
    assert_eq!(shown(Command::guest("control_sequences.wat")), plain);
    let passed = "\x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07\x1b[6n end\r\n";
    assert_eq!(shown(Command::guest("control_sequences.wat").flag("--tty")), passed);
    // Anywhere else everything passes.
    let piped = Command::guest("control_sequences.wat").run();
    assert_eq!(piped.text(), passed.replace('\r', ""));
}

#[test]
fn a_guest_is_told_which_of_its_streams_are_terminals() {
    let (end, shown) = terminal();
    Command::guest("is_terminal").stdout_to(end).run().is(0, "completed");
    assert_eq!(shown.whole(), b"false true false\r\n");
    Command::guest("is_terminal").run().printed("false false false\n");
    Command::guest("is_terminal").flag("--tty").run().printed("true true true\n");
}

/// In a process group of its own, as a shell with job control starts it.
fn as_job(run: Command) -> (Running, Pid) {
    let run = run.in_child(|| Ok(rustix::process::setpgid(None, None)?)).start();
    let group = Pid::from_raw(run.pid.cast_signed()).unwrap();
    until("its process group", || (getpgid(Some(group)) == Ok(group)).then_some(()));
    (run, group)
}

fn stops(group: Pid) {
    kill_process_group(group, Signal::TSTP).unwrap();
    let (_, status) = waitpid(Some(group), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped(), "{status:?}");
}

#[test]
fn what_stands_still_by_ctrl_z_does_nothing_and_uses_up_no_time() {
    const LIMIT: Duration = Duration::from_secs(2);
    let begin = Instant::now();
    let (run, group) = as_job(Command::guest("sleep_forever").flag("--timeout=2s"));
    let worker = until("the worker", || process::worker_of(run.pid));
    until("its guest", || (state_of(worker) == 'S').then_some(()));
    stops(group);
    let stopped = Instant::now();
    until("a worker that stands still", || (state_of(worker) == 'T').then_some(()));
    until("the end of what would be its time", || (begin.elapsed() > LIMIT + Duration::from_millis(600)).then_some(()));
    assert_eq!(state_of(worker), 'T');
    let stood = stopped.elapsed();
    kill_process_group(group, Signal::CONT).unwrap();
    let run = run.wait();
    let counted = Duration::from_millis(run.is(124, "deadline").number("wall_ms"));
    // It is over in its time without the time in which it stood still, which two processes measure.
    assert!(
        counted + Duration::from_millis(100) >= LIMIT && counted <= begin.elapsed() - stood,
        "{counted:?} of {:?}",
        begin.elapsed()
    );
}

#[test]
fn what_stood_still_goes_on_and_ends_well() {
    let (mut run, group) = as_job(Command::guest("stdin_lines").stdin_open());
    run.say("one\n");
    until("the first line", || (run.stdout.so_far() == b"one\n").then_some(()));
    for _ in 0..3 {
        stops(group);
        kill_process_group(group, Signal::CONT).unwrap();
    }
    run.say("two\n");
    run.wait().printed("one\ntwo\n");
}

fn state_of(pid: u32) -> char {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    status.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

/// A shell with job control on a terminal of its own.
fn shell(terminal: &Terminal, scratch: &Folder, script: &str) -> std::process::Child {
    let script = script.replace("SANDHOG", sandhog().to_str().unwrap());
    let mut command = std::process::Command::new("setsid");
    command.args(["--ctty", "--wait", "bash", "--norc", "-mc", &script]);
    command.env("HOME", scratch.path()).env("TERM", "xterm").env("SANDHOG_STATE_DIR", scratch.join("state"));
    command.env("SANDHOG_CACHE_DIR", scratch.join("cache"));
    command.stdin(terminal.end()).stdout(terminal.end()).stderr(terminal.end()).spawn().unwrap()
}

fn shows(terminal: &Terminal, text: &str) {
    until(&format!("{text:?} on the terminal"), || terminal.screen().contents().contains(text).then_some(()));
}

#[test]
fn a_job_in_the_background_of_a_terminal_is_stopped_when_it_reads_and_not_before() {
    let terminal = Terminal::new(24, 80);
    let (hello, cat) = (guest("hello"), guest("cat"));
    let script = format!(
        "SANDHOG run {} & wait $!; echo first $?; SANDHOG run {} & wait $!; echo second $?; fg; echo third $?",
        hello.display(),
        cat.display()
    );
    let scratch = Folder::new();
    let mut shell = shell(&terminal, &scratch, &script);
    shows(&terminal, "first 0");
    // 128 and SIGTTIN.
    shows(&terminal, "second 149");
    terminal.press("typed\n\x04");
    shows(&terminal, "typed\ntyped");
    shows(&terminal, "third 0");
    shell.wait().unwrap();
}

#[test]
fn ctrl_z_at_a_terminal_halts_and_fg_goes_on() {
    let terminal = Terminal::new(24, 80);
    let script = format!("SANDHOG run {}; echo first $?; fg; echo second $?", guest("stdin_lines").display());
    let scratch = Folder::new();
    let mut shell = shell(&terminal, &scratch, &script);
    terminal.press("one\n");
    shows(&terminal, "one\none");
    terminal.press("\x1a");
    // 128 and SIGTSTP.
    shows(&terminal, "first 148");
    terminal.press("two\n\x04");
    shows(&terminal, "two\ntwo");
    shows(&terminal, "second 0");
    shell.wait().unwrap();
}
