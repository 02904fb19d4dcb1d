//! What a guest is given and what comes back: exit code, arguments, environment, streams, signals.

use rustix::process::Signal;
use sandhog_harness::{Command, Folder, Running, process, until};
use std::fs::File;
use std::io::{self, Read, Write};
use std::thread;

#[test]
fn a_guests_exit_code_is_the_commands() {
    for code in [1, 2, 124, 125, 126, 127, 130, 137, 200, 255] {
        let outcome = Command::guest("exit_code").arg(code.to_string()).run();
        outcome.is(code, "failed").reported(code, "");
        assert_eq!(outcome.verdict["code"], code);
    }
    let outcome = Command::guest("exit_code").arg("0").run();
    outcome.printed("");
    assert_eq!(outcome.verdict["code"], 0);
}

#[test]
fn a_code_that_no_process_can_have_is_still_a_failure() {
    for code in [256, 512, 65_536] {
        let outcome = Command::guest("exit_code").arg(code.to_string()).run();
        outcome.is(255, "failed");
        assert_eq!(outcome.verdict["code"], code);
    }
}

#[test]
fn a_guest_gets_its_arguments_as_they_are() {
    let arguments = ["", "two words", "--flag", "--", "$HOME", "*", "ünï", "a\nb\x1b[31m"];
    let run = arguments.iter().fold(Command::guest("print_args"), |run, argument| run.arg(argument));
    run.run().printed(&format!("print_args.wasm\n{}\n", arguments.join("\n")));
}

#[test]
fn a_guest_gets_a_hundred_thousand_bytes_of_arguments() {
    let long = "x".repeat(100_000);
    Command::guest("print_args").arg(&long).run().printed(&format!("print_args.wasm\n{long}\n"));
}

#[test]
fn a_guest_has_the_name_that_it_is_given() {
    Command::guest("print_args").flag("--argv0=me").run().printed("me\n");
    Command::guest("print_args").flag("--argv0=").run().printed("\n");
}

#[test]
fn a_guest_has_no_environment_unless_it_is_given_one() {
    Command::guest("print_env").env("SECRET", "x").run().printed("");
}

#[test]
fn a_guest_has_the_variables_that_it_is_given_and_those_that_are_passed_on() {
    let run = Command::guest("print_env").env("PASSED", "on").env("SECRET", "x");
    let run =
        ["A=1", "B=x=y", "EMPTY=", "PASSED"].iter().fold(run, |run, variable| run.flag(format!("--env={variable}")));
    run.run().printed("A=1\nB=x=y\nEMPTY=\nPASSED=on\n");
}

#[test]
fn stdin_comes_from_a_pipe() {
    Command::guest("cat").stdin("from a pipe").run().printed("from a pipe");
    Command::guest("cat").flag("--stdin=-").stdin("from a pipe").run().printed("from a pipe");
}

#[test]
fn stdin_comes_from_a_file() {
    let scratch = Folder::new();
    let file = scratch.file("input", "from a file");
    Command::guest("cat").stdin_from(File::open(&file).unwrap()).run().printed("from a file");
    Command::guest("cat").flag("--stdin").flag(&file).stdin("not this").run().printed("from a file");
}

#[test]
fn stdin_comes_from_a_fifo_once_somebody_writes_to_it() {
    let scratch = Folder::new();
    let fifo = scratch.fifo("fifo");
    let running = Command::guest("cat").flag("--stdin").flag(&fifo).start();
    // Waits until it has been opened for reading.
    std::fs::write(&fifo, "from a fifo").unwrap();
    running.wait().printed("from a fifo");
    // Nobody writes: nothing but the guest's input waits for that.
    let waits = Command::guest("sleep_forever").flag("--stdin").flag(&fifo).start();
    until("the worker", || process::worker_of(waits.pid));
    waits.signal(Signal::TERM);
    waits.wait().is(143, "stopped");
}

#[test]
fn stdin_is_nothing_where_it_is_none() {
    Command::guest("cat").flag("--stdin=none").stdin("not this").run().printed("");
}

#[test]
fn a_guest_that_does_not_read_its_stdin_ends_all_the_same() {
    Command::guest("hello").stdin(vec![b'x'; 4 << 20]).run().printed("hello\n");
    Command::guest("hello").stdin_open().run().printed("hello\n");
}

#[test]
fn stdout_and_stderr_stay_apart() {
    let outcome = Command::guest("writes_after_close").run();
    assert_eq!((outcome.text(), outcome.stderr.as_str()), ("before\n", "refused(BADF)\n"));
    let outcome = Command::guest("spew_stderr").arg("1000").run();
    outcome.is(0, "completed");
    assert_eq!((outcome.stdout.len(), outcome.raw_stderr.len()), (0, 1000));
}

#[test]
fn stdout_and_stderr_may_be_one_file() {
    let scratch = Folder::new();
    let file = File::create(scratch.join("log")).unwrap();
    let runs = 5;
    for _ in 0..runs {
        // As a shell does for `{ …; …; } > log 2>&1`: every descriptor shares one place in the file.
        let (stdout, stderr) = (file.try_clone().unwrap(), file.try_clone().unwrap());
        let outcome = Command::guest("writes_after_close").stdout_to(stdout).stderr_to(stderr).run();
        outcome.is(0, "completed");
    }
    // Two streams keep no order between them, not even within a line; but no byte of either is lost or written over.
    let mut log = std::fs::read(scratch.join("log")).unwrap();
    let mut expected = "before\nrefused(BADF)\n".repeat(runs).into_bytes();
    log.sort_unstable();
    expected.sort_unstable();
    assert_eq!(log, expected);
}

#[test]
fn streams_that_are_closed_at_the_start_are_empty() {
    #[allow(unsafe_code)]
    let close_all = || {
        // SAFETY: the child's own three streams, right before its exec; nothing there refers to them any more.
        (0..3).for_each(|fd| unsafe { rustix::io::close(fd) });
        Ok(())
    };
    Command::guest("hello").in_child(close_all).run().is(0, "completed");
    Command::guest("cat").in_child(close_all).run().is(0, "completed");
}

#[test]
fn a_line_arrives_while_the_guest_still_runs() {
    let mut running = Command::guest("stdin_lines").stdin_open().start();
    running.say("one\n");
    running.stdout.until("one\n");
    running.say("two\n");
    running.stdout.until("one\ntwo\n");
    running.wait().printed("one\ntwo\n");
}

#[test]
fn many_megabytes_arrive_whole_and_in_order() {
    let outcome = Command::guest("spew").arg((10 << 20).to_string()).run();
    outcome.is(0, "completed");
    assert_eq!(outcome.stdout.len(), 10 << 20);
    assert!(outcome.stdout.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251));
}

/// What each process of a run has needed at most, in bytes, once this many bytes have gone through a guest.
fn peaks_after(bytes: usize) -> Vec<u64> {
    let (mut reader, writer) = io::pipe().unwrap();
    let mut running = Command::guest("cat").stdin_open().stdout_to(writer).start();
    let mut stdin = running.stdin.take().unwrap();
    let feeder = thread::spawn(move || {
        let piece = vec![b'x'; 1 << 20];
        (0..bytes / piece.len()).for_each(|_| stdin.write_all(&piece).unwrap());
        stdin
    });
    let mut piece = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let read = reader.read(&mut piece).unwrap();
        assert_ne!(read, 0, "{left} bytes are missing");
        left -= read;
    }
    // All of them still live: the guest waits for more.
    running.stdin = Some(feeder.join().unwrap());
    let processes = [vec![running.pid], process::descendants(running.pid)].concat();
    let peaks = processes.into_iter().filter_map(process::peak_bytes).collect();
    running.wait().is(0, "completed");
    peaks
}

#[test]
fn a_gibibyte_takes_no_more_memory_than_ten_mebibytes() {
    let (few, many) = (peaks_after(10 << 20), peaks_after(1 << 30));
    assert_eq!(few.len(), many.len(), "{few:?} {many:?}");
    for (few, many) in few.into_iter().zip(many) {
        assert!(many <= few + (8 << 20), "{many} bytes against {few}");
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    for guest in ["spew", "close_stdout_ignored"] {
        let (mut reader, writer) = io::pipe().unwrap();
        let running = Command::guest(guest).stdout_to(writer).start();
        reader.read_exact(&mut [0; 10]).unwrap();
        drop(reader);
        let outcome = running.wait();
        outcome.is(141, "stopped").reported(141, "");
        assert_eq!(outcome.verdict["reason"], "output_closed");
    }
}

#[test]
fn a_pipe_that_was_closed_before_the_start_ends_it_quietly() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    Command::guest("spew").stdout_to(writer).run().is(141, "stopped").reported(141, "");
}

#[test]
fn a_full_disk_under_the_output_is_told() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let outcome = Command::guest("hello").stdout_to(full).run();
    outcome.is(125, "lost");
    assert_eq!(outcome.verdict["reason"], "the job's output can't be passed on: No space left on device (os error 28)");
}

/// A guest of which it is known that it runs.
fn echoing() -> Running {
    let mut running = Command::guest("stdin_lines").stdin_open().start();
    running.say("here\n");
    running.stdout.until("here\n");
    running
}

#[test]
fn a_signal_stops_it() {
    for (signal, code, reason, sentence) in [
        (Signal::INT, 130, "interrupt", "sandhog: stopped: by Ctrl-C\n"),
        (Signal::TERM, 143, "terminate", "sandhog: stopped: by SIGTERM or SIGHUP\n"),
        (Signal::HUP, 143, "terminate", "sandhog: stopped: by SIGTERM or SIGHUP\n"),
    ] {
        let mut running = echoing();
        let stdin = running.stdin.take();
        let processes = process::descendants(running.pid);
        assert!(processes.len() >= 2, "{processes:?}");
        running.signal(signal);
        let outcome = running.wait();
        drop(stdin);
        outcome.is(code, "stopped").reported(code, sentence);
        assert_eq!((&outcome.verdict["reason"], &outcome.verdict["graceful"]), (&reason.into(), &false.into()));
        assert!(!processes.into_iter().any(process::is_there), "something of the run still lives");
    }
}

#[test]
fn a_signal_stops_it_while_nobody_reads_its_output() {
    let (mut reader, writer) = io::pipe().unwrap();
    let running = Command::guest("spew").stdout_to(writer).start();
    reader.read_exact(&mut [0; 10]).unwrap();
    running.signal(Signal::TERM);
    running.wait().is(143, "stopped");
}

#[test]
fn ctrl_c_goes_to_the_whole_group_and_is_one_stop() {
    let mut running =
        Command::guest("stdin_lines").stdin_open().in_child(|| Ok(rustix::process::setsid().map(drop)?)).start();
    running.say("here\n");
    running.stdout.until("here\n");
    let stdin = running.stdin.take();
    let group = rustix::process::Pid::from_raw(i32::try_from(running.pid).unwrap()).unwrap();
    rustix::process::kill_process_group(group, Signal::INT).unwrap();
    running.wait().is(130, "stopped").reported(130, "sandhog: stopped: by Ctrl-C\n");
    drop(stdin);
}

/// A module that takes seconds to compile: many loops over many locals.
fn slow_module(scratch: &Folder) -> std::path::PathBuf {
    let mut body = String::new();
    for turn in 0..100 {
        body.push_str("(loop ");
        for local in (turn + 1)..(turn + 1000) {
            body.push_str(&format!("(local.set {local} (i64.add (local.get {local}) (local.get 0)))"));
        }
        body.push_str("(br_if 0 (i64.eqz (local.get 1))))");
    }
    let function = format!("(func (param i64) (local {}) {body})", "i64 ".repeat(1200));
    scratch.file("slow.wat", format!("(module (func (export \"_start\")) {function})"))
}

#[test]
fn a_signal_stops_it_while_it_compiles() {
    let scratch = Folder::new();
    let (module, cache) = (slow_module(&scratch), scratch.join("cache"));
    let ticks_of_compiling = 10;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let running = Command::module(&module).cache(&cache).start();
        let processes = until("the compiler to be at work", || {
            assert!(!running.has_ended());
            let processes = process::descendants(running.pid);
            processes.iter().any(|pid| process::cpu_ticks(*pid) >= ticks_of_compiling).then_some(processes)
        });
        running.signal(signal);
        running.wait().is(code, "stopped");
        assert!(!processes.into_iter().any(process::is_there), "something of the run still lives");
        assert!(
            !sandhog_harness::names_in(&cache).iter().any(|name| name != "lock"),
            "{:?}",
            sandhog_harness::names_in(&cache)
        );
    }
}

#[test]
fn random_numbers_of_two_runs_differ() {
    let numbers = [0; 3].map(|_| Command::guest("random").run().text().to_owned());
    assert!(numbers.iter().all(|number| number.len() == 33), "{numbers:?}");
    assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2] && numbers[0] != numbers[2], "{numbers:?}");
}

#[test]
fn a_guest_sleeps_and_wakes() {
    let outcome = Command::guest("sleep_ms").arg("50").run();
    outcome.printed("awake\n");
    assert!(outcome.number("wall_ms") >= 50, "{outcome:?}");
}

#[test]
fn two_clocks_run_forward() {
    let outcome = Command::guest("clock").run();
    outcome.is(0, "completed");
    assert!(outcome.text().ends_with("forward\n"), "{outcome:?}");
}

#[test]
fn text_modules_run() {
    let scratch = Folder::new();
    let nothing = scratch.file("nothing.wat", "(module (func (export \"_start\")))");
    Command::module(&nothing).run().printed("");
    let started = scratch.file("started.wat", ";; by itself\n(module (func $begin) (start $begin))");
    Command::module(&started).run().printed("");
}

#[test]
fn a_module_runs_under_any_name() {
    let scratch = Folder::new();
    for name in ["no-ending", "two words.wasm", "ünï.bin", "-dash.wasm"] {
        std::fs::copy(sandhog_harness::guest("hello"), scratch.join(name)).unwrap();
        Command::module(scratch.join(name)).run().printed("hello\n");
    }
    Command::module("./-dash.wasm").current_dir(scratch.path()).run().printed("hello\n");
}

#[test]
fn twenty_runs_at_once_do_not_disturb_each_other() {
    let all: Vec<_> = (0..20).map(|number| Command::guest("cat").stdin(number.to_string()).start()).collect();
    for (number, running) in all.into_iter().enumerate() {
        running.wait().printed(&number.to_string());
    }
}
