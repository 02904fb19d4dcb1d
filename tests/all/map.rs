//! `sandhog map`: a run for each task, results in order, and what is left when it ends early.

use rustix::process::Signal;
use sandhog_harness::{Command, Folder, Outcome, guest, names_in, process, terminal, until};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// `sandhog map FLAGS GUEST -- ARGS`.
fn map(name: &str, flags: &[&str], args: &[&str]) -> Command {
    let mut words: Vec<_> = ["map"].iter().chain(flags).map(OsStr::new).map(OsStr::to_owned).collect();
    words.push(guest(name).into_os_string());
    let dashes = if args.is_empty() { &[][..] } else { &["--"] };
    words.extend(dashes.iter().chain(args).map(|word| word.into()));
    Command::sandhog(words)
}

fn printed(outcome: &Outcome, text: &str) {
    assert_eq!((outcome.code, outcome.text(), outcome.stderr.as_str()), (0, text, ""), "{outcome:#?}");
}

/// A column of a job log, of each line but the first.
fn column(log: &Path, place: usize) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    lines
        .map(|columns| (columns.len(), columns[place].trim().to_owned()))
        .map(|(count, cell)| {
            assert_eq!(count, 10, "{text}");
            cell
        })
        .collect()
}

fn numbers(count: u64) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}

// Input.

#[test]
fn each_line_is_a_programs_stdin_and_the_outputs_are_in_order() {
    let outcome = map("cat", &["-j4"], &[]).stdin(numbers(60)).run();
    printed(&outcome, &numbers(60));
}

#[test]
fn a_task_stands_in_the_arguments_as_gnu_parallel_puts_it_there() {
    let args = ["{}", "{.}", "{/}", "{//}", "{/.}", "{#}", "x{}y", "{nothing}"];
    let outcome = map("print_args", &["-j2"], &args).stdin("a/b.c.svg\nit's {} {.}\n").run();
    let expected = ["a/b.c.svg", "a/b.c", "b.c.svg", "a", "b.c", "1", "xa/b.c.svgy", "{nothing}"];
    let second = ["it's {} {.}", "it's {} {", "it's {} {.}", ".", "it's {} {", "2", "xit's {} {.}y", "{nothing}"];
    let lines = [&["print_args.wasm"][..], &expected, &["print_args.wasm"], &second].concat();
    printed(&outcome, &format!("{}\n", lines.join("\n")));
}

#[test]
fn tasks_come_from_files_and_from_the_command_line() {
    let scratch = Folder::new();
    let file = scratch.file("tasks", "a\nb");
    let file = file.to_str().unwrap();
    printed(&map("cat", &["-a", file, "--arg-file=-"], &[]).stdin("c\n").run(), "a\nb\nc\n");
    printed(&map("print_args", &["--argv0="], &["{}", ":::", "x y", "z"]).run(), "\nx y\n\nz\n");
    let twice = map("cat", &["-a", file], &[":::", "x"]).run();
    assert_eq!(twice.code, 126);
    assert!(twice.stderr.starts_with("sandhog: the tasks are given twice"), "{}", twice.stderr);
    let missing = map("cat", &["-a", "/nowhere"], &[]).run();
    assert_eq!((missing.code, missing.text()), (255, ""), "{missing:#?}");
    assert!(missing.stderr.contains("\"/nowhere\""), "{}", missing.stderr);
}

#[test]
fn what_ends_a_task_is_a_newline_a_byte_0_or_the_end_of_a_value() {
    printed(&map("cat", &["--input=null"], &[]).stdin("a\nb\0c").run(), "a\nbc");
    printed(&map("print_args", &["-0", "--argv0="], &["{}"]).stdin("a\nb\0c\0").run(), "\na\nb\n\nc\n");
    printed(&map("cat", &["--input=json"], &[]).stdin("1[2,\n3]\"x\" {}").run(), "1\n[2,\n3]\n\"x\"\n{}\n");
    printed(&map("cat", &[], &[]).stdin("a\r\n\nb").run(), "a\r\n\nb\n");
    printed(&map("cat", &[], &[]).run(), "");
}

#[test]
fn json_that_is_none_is_told_its_place_after_what_came_before_is_done() {
    let outcome = map("cat", &["--input=json"], &[]).stdin("1\n {\"a\": x}\n 3").run();
    assert_eq!((outcome.code, outcome.text()), (255, "1\n"));
    let told = "sandhog: input: stdin: no JSON at line 2, column 8 (byte 9): expected value\n";
    assert!(outcome.stderr.starts_with(told), "{}", outcome.stderr);
}

#[test]
fn a_file_is_a_task_and_the_program_needs_no_right_to_it() {
    let scratch = Folder::new();
    scratch.file("a.txt", "one");
    scratch.file("b.txt", "two");
    let run = map("cat", &["--input=files"], &[]).current_dir(scratch.path());
    let outcome = run.stdin("a.txt\nnone.txt\nb.txt\n").run();
    assert_eq!((outcome.code, outcome.text()), (1, "onetwo"));
    assert!(outcome.stderr.contains("task 2: refused: failed to read \"none.txt\": "), "{}", outcome.stderr);
}

#[test]
fn a_task_over_the_limit_fails_alone_and_takes_no_memory() {
    let long = vec![b'x'; (64 << 20) + 1];
    let outcome = map("cat", &[], &[]).stdin([b"a\n".as_slice(), &long, b"\nb\n"].concat()).run();
    assert_eq!((outcome.code, outcome.text()), (1, "a\nb\n"));
    assert!(outcome.stderr.contains("task 2: refused: it has more than 67108864 bytes"), "{}", outcome.stderr);
}

#[test]
fn several_tasks_are_lines_or_arguments_of_one_run() {
    printed(&map("print_args", &["-n2", "--argv0="], &["{}"]).stdin("a\nb\nc\n").run(), "\na\nb\n\nc\n");
    let scratch = Folder::new();
    let log = scratch.join("log");
    let outcome = map("cat", &["-n", "3", "--joblog", log.to_str().unwrap()], &[]).stdin(numbers(7)).run();
    printed(&outcome, &numbers(7));
    assert_eq!(column(&log, 0), ["1", "2", "3"]);
}

// Results.

#[test]
fn a_result_waits_for_those_before_it_and_unordered_it_does_not() {
    // Tasks of two lines each: a slow one, and one that is done when the first says that it is.
    let tasks = "log first\nhang\nprint done\nexit 0\nlog third\nhang\n";
    for (flags, before) in [(&["-j2", "-n2"][..], ""), (&["-j2", "-n2", "--unordered"], "done\n")] {
        let running = map("does_as_told", flags, &["{}"]).stdin(tasks).start();
        // It began when the second one was done.
        running.stderr.until_has("third");
        if !before.is_empty() {
            running.stdout.until(before);
        }
        assert_eq!(String::from_utf8_lossy(&running.stdout.so_far()), before);
        running.signal(Signal::TERM);
        assert_eq!(running.wait().text(), "done\n");
    }
}

#[test]
fn outputs_of_megabytes_are_never_mixed() {
    let count = 3_000_000_u32;
    let tasks = format!("{count}\n").repeat(4);
    let outcome = map("spew", &["-j4"], &["{}"]).stdin(tasks.clone()).run();
    assert_eq!((outcome.code, outcome.stdout.len()), (0, 4 * count as usize));
    let whole = |bytes: &[u8]| bytes.iter().enumerate().all(|(place, byte)| usize::from(*byte) == place % 251);
    assert!(outcome.stdout.chunks(count as usize).all(whole));
    let outcome = map("spew_stderr", &["-j4"], &["{}"]).stdin(tasks).run();
    assert!(outcome.stdout.is_empty() && outcome.raw_stderr.chunks(count as usize).all(whole));
}

#[test]
fn the_exit_code_counts_the_tasks_that_failed_and_they_are_told() {
    let outcome = map("exit_code", &[], &["{}"]).stdin("0\n3\n0\n200\n").run();
    outcome.reported(
        2,
        "sandhog: 2 of 4 tasks failed\n    task 2: failed with code 3\n    task 4: failed with code 200\n  \
         hint: --joblog FILE keeps the verdict of each; with it --resume-failed does them again\n",
    );
    let outcome = map("exit_code", &["-j4"], &["{}"]).stdin("1\n".repeat(102)).run();
    assert_eq!(outcome.code, 101);
    assert!(outcome.stderr.contains("\n    and 92 more\n"), "{}", outcome.stderr);
}

#[test]
fn a_failure_halts_what_it_is_to_halt() {
    let run = |halt: &str, tasks: &str| map("exit_code", &["-j1", halt], &["{}"]).stdin(tasks).run();
    assert_eq!(run("--halt=never", "7\n0\n").code, 1);
    let outcome = run("--halt=soon", &format!("0\n7\n{}", "0\n".repeat(50)));
    assert_eq!(outcome.code, 7, "{outcome:#?}");
    assert!(outcome.stderr.starts_with("sandhog: 1 of 2 tasks failed\n"), "{}", outcome.stderr);
    let outcome = map("sleep_ms", &["-j2", "--halt=now"], &["{}"]).stdin("3600000\nx\n").run();
    assert!(outcome.code != 0 && outcome.stderr.contains("halted: 1 of 2 tasks done, 1 ended"), "{outcome:#?}");
}

#[test]
fn the_job_log_has_gnu_parallels_columns_and_the_verdict() {
    let scratch = Folder::new();
    let log = scratch.join("log");
    let flags = ["--joblog", log.to_str().unwrap(), "--timeout=200ms"];
    let outcome = map("sleep_ms", &flags, &["{}"]).stdin("1\n3600000\n").run();
    assert_eq!((outcome.code, outcome.text()), (1, "awake\n"));
    let text = fs::read_to_string(&log).unwrap();
    let header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\tVerdict\n";
    assert!(text.starts_with(header), "{text}");
    assert_eq!((column(&log, 0), column(&log, 1)), (vec!["1".into(), "2".into()], vec![":".into(), ":".into()]));
    assert_eq!((column(&log, 4), column(&log, 5)), (vec!["1".into(), "7".into()], vec!["6".into(), "0".into()]));
    assert_eq!((column(&log, 6), column(&log, 7)), (vec!["0".into(), "124".into()], vec!["0".into(), "0".into()]));
    assert_eq!(column(&log, 8), ["sleep_ms.wasm 1", "sleep_ms.wasm 3600000"]);
    assert_eq!(column(&log, 9), ["completed", "deadline: more than 200ms"]);
    let runtime: f64 = column(&log, 3)[1].parse().unwrap();
    assert!(runtime >= 0.2, "{text}");
}

#[test]
fn resuming_does_what_has_no_line_or_has_failed() {
    let scratch = Folder::new();
    let log = scratch.join("log");
    let run = |more: &[&str]| {
        let flags = [&["--joblog", log.to_str().unwrap()], more].concat();
        map("exit_code", &flags, &["{}"]).stdin("0\n5\n0\n").run().code
    };
    assert_eq!((run(&[]), column(&log, 0).len()), (1, 3));
    assert_eq!((run(&["--resume"]), column(&log, 0).len()), (0, 3), "all have been done");
    // A kill tears a line.
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, &text[..text.rfind("3\t:").unwrap() + 5]).unwrap();
    assert_eq!((run(&["--resume"]), column(&log, 0)), (0, vec!["1".into(), "2".into(), "3".into()]));
    assert_eq!((run(&["--resume-failed"]), column(&log, 0)), (1, ["1", "2", "3", "2"].map(String::from).to_vec()));
    assert_eq!((run(&[]), column(&log, 0).len()), (1, 3), "begun anew");
    let outcome = map("cat", &["--resume"], &[]).run();
    assert_eq!(outcome.code, 126, "without a job log there is nothing to resume");
}

#[test]
fn a_task_that_fails_is_tried_again() {
    let scratch = Folder::new();
    let log = scratch.join("log");
    let flags = ["--retries=3", "--joblog", log.to_str().unwrap()];
    assert_eq!(map("exit_code", &flags, &["{}"]).stdin("4\n0\n").run().code, 1);
    assert_eq!(column(&log, 6), ["4", "0"], "a line for a task, not for a try");
}

#[test]
fn a_limit_of_time_counts_from_the_start_and_waiting_has_its_own() {
    let scratch = Folder::new();
    let log = scratch.join("log");
    let flags = ["-j1", "--timeout=1s", "--joblog", log.to_str().unwrap()];
    // The second one waits for as long as the first one runs, and has its second all the same.
    let outcome = map("sleep_ms", &flags, &["{}"]).stdin("3600000\n500\n").run();
    assert_eq!((outcome.code, outcome.text()), (1, "awake\n"), "{outcome:#?}");
    let outcome =
        map("sleep_ms", &[&flags[..], &["--wait-timeout=100ms"]].concat(), &["{}"]).stdin("3600000\n1\n").run();
    assert_eq!((outcome.code, outcome.text()), (2, ""), "{outcome:#?}");
    assert_eq!(column(&log, 9), ["deadline: more than 1s", "expired: it waited longer than --wait-timeout"]);
}

// Handlers.

#[test]
fn a_handler_answers_each_task_in_a_line() {
    printed(&map("hello-handler", &["-j4"], &[]).stdin("Ada\nBob \"x\"\n").run(), "Hello, Ada!\nHello, Bob \"x\"!\n");
    let json = map("hello-handler", &["--json"], &[]).stdin("Bob \"x\"\n").run();
    printed(&json, "\"Hello, Bob \\\"x\\\"!\"\n");
    let json = map("hello-handler", &["--input=json"], &[]).stdin("\"Ada\" \"Eve\"").run();
    printed(&json, "\"Hello, Ada!\"\n\"Hello, Eve!\"\n");
    let words = map("word-handler", &[], &[]).stdin("a bc\n").run();
    printed(&words, "{\"words\":2,\"longest\":\"bc\",\"tasks\":1}\n");
}

#[test]
fn a_handlers_error_is_its_tasks_failure() {
    let outcome = map("hello-handler", &[], &[]).stdin("Ada\n\nEve\n").run();
    assert_eq!((outcome.code, outcome.text()), (1, "Hello, Ada!\nHello, Eve!\n"));
    assert!(outcome.stderr.contains("task 2: failed: whom?"), "{}", outcome.stderr);
    let outcome = map("hello-handler", &["--input=json"], &[]).stdin("\"Ada\" 7").run();
    assert_eq!((outcome.code, outcome.text()), (1, "\"Hello, Ada!\"\n"));
}

#[test]
fn one_process_of_a_handler_does_as_many_tasks_as_it_may() {
    let tasks = |flags: &[&str]| {
        let outcome = map("word-handler", flags, &[]).stdin("x\n".repeat(7)).run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{outcome:#?}");
        let count = |line: &str| line.split("\"tasks\":").nth(1).unwrap().trim_end_matches('}').parse::<u64>().unwrap();
        outcome.text().lines().map(count).collect::<Vec<_>>()
    };
    assert_eq!(tasks(&["-j1"]), [1; 7]);
    for flags in [&["-j1", "--reuse=3"][..], &["-j2", "--reuse=3", "--chunk=4"]] {
        let counts = tasks(flags);
        assert!(
            counts.iter().all(|count| *count <= 3) && counts.iter().any(|count| *count > 1),
            "{flags:?}: {counts:?}"
        );
    }
}

#[test]
fn what_is_for_handlers_alone_is_refused_for_a_program_and_the_other_way_round() {
    let told = |name: &str, flags: &[&str], args: &[&str]| {
        let outcome = map(name, flags, args).stdin("x\n").run();
        assert_eq!((outcome.code, outcome.text()), (126, ""), "{outcome:#?}");
        outcome.stderr.lines().next().unwrap().to_owned()
    };
    assert_eq!(
        told("cat", &["--reuse=2"], &[]),
        "sandhog: --reuse 2: a program ends with its task; only a handler can do more than one"
    );
    assert_eq!(
        told("cat", &["--json"], &[]),
        "sandhog: --json is about a handler's messages, and this module is a program"
    );
    let placeholder = told("hello-handler", &[], &["{}"]);
    assert!(placeholder.starts_with("sandhog: \"{}\" has a place for a task"), "{placeholder}");
    assert!(told("shared_memory.wat", &[], &[]).starts_with("sandhog: refused: "));
    assert_eq!(map("cat", &["--dir=/nowhere"], &[]).run().code, 126);
    assert_eq!(Command::sandhog(["map", "/nowhere.wasm"]).run().code, 127);
}

// Ends.

#[test]
fn ctrl_c_prints_what_is_done_ends_the_rest_and_resuming_goes_on() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let scratch = Folder::new();
        let log = scratch.join("log");
        let flags = ["-j2", "-n2", "--joblog", log.to_str().unwrap()];
        // The second one is done when the third has begun, and waits for the first.
        let tasks = ["log first\nhang", "print awake\nexit 0", "log third\nhang", "print more\nexit 0\n"].join("\n");
        let running = map("does_as_told", &flags, &["{}"]).stdin(tasks.clone()).start();
        running.stderr.until_has("third");
        running.signal(signal);
        let outcome = running.wait();
        assert_eq!((outcome.code, outcome.text()), (code, "awake\n"), "{outcome:#?}");
        let told = "sandhog: stopped: 1 of 4 tasks done, 2 ended\n  hint: resume with --resume\n";
        assert!(outcome.stderr.ends_with(told), "{}", outcome.stderr);
        assert_eq!(column(&log, 0), ["2"]);
        let rest = tasks.replace("hang", "exit 0");
        let flags = [&flags[..], &["--resume", "--log=off"]].concat();
        printed(&map("does_as_told", &flags, &["{}"]).stdin(rest).run(), "more\n");
        assert_eq!(column(&log, 0), ["2", "1", "3", "4"]);
    }
}

#[test]
fn a_reader_that_has_gone_ends_it() {
    let (reads, writes) = rustix::pipe::pipe().unwrap();
    drop(reads);
    let outcome = map("cat", &["-j2"], &[]).stdin(numbers(1000)).stdout_to(writes).run();
    outcome.reported(141, "");
}

#[test]
fn killed_it_leaves_nothing_and_what_has_a_line_was_printed() {
    let scratch = Folder::new();
    let (log, out) = (scratch.join("log"), scratch.join("out"));
    let flags = ["-j2", "--joblog", log.to_str().unwrap()];
    let running = map("cat", &flags, &[]).stdin(numbers(100_000)).stdout_to(fs::File::create(&out).unwrap()).start();
    until("some lines", || Some(lines_of(&log)).filter(|count| *count > 20));
    let all = process::descendants(running.pid);
    running.signal(Signal::KILL);
    let _ = running.wait();
    until("the end of all", || all.iter().all(|process| !process::is_there(*process)).then_some(()));
    let lines = fs::read_to_string(&out).unwrap().lines().count();
    assert!(lines >= lines_of(&log), "{lines}");
    assert_eq!(names_in(scratch.path()), ["log", "out"]);
}

/// Tasks that have a line.
fn lines_of(log: &Path) -> usize {
    fs::read_to_string(log)
        .unwrap_or_default()
        .lines()
        .filter(|line| line.split('\t').count() == 10)
        .count()
        .saturating_sub(1)
}

/// Those of its processes that are called so.
fn called(of: u32, names: &[&str]) -> Vec<u32> {
    let is_called = |pid: &u32| process::name_of(*pid).is_some_and(|name| names.contains(&name.as_str()));
    process::descendants(of).into_iter().filter(is_called).collect()
}

fn kill(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).is_ok()
}

#[test]
fn a_worker_or_zygote_that_is_killed_costs_its_task_and_no_other() {
    for (name, flags) in [("cat", &["-j4"][..]), ("hello-handler", &["-j2", "--reuse=40", "--chunk=3"])] {
        let scratch = Folder::new();
        let log = scratch.join("log");
        let flags = [flags, &["--joblog", log.to_str().unwrap()]].concat();
        let running = map(name, &flags, &[]).stdin(numbers(400)).start();
        let (mut killed, mut lines) = (0, 1);
        // Between two kills some tasks are done: a pool that never gets a worker gives up.
        until("twenty kills, or the end", || {
            let done = lines_of(&log);
            if done >= lines {
                let all = called(running.pid, &["sandhog-worker", "sandhog-zygote"]);
                // Not always the same.
                killed += usize::from(all.get((killed * 7 + 3) % all.len().max(1)).is_some_and(|pid| kill(*pid)));
                lines = done + 8;
            }
            (killed >= 20 || running.has_ended()).then_some(())
        });
        let outcome = running.wait();
        assert_eq!(column(&log, 0), (1..=400).map(|number: u64| number.to_string()).collect::<Vec<_>>(), "each once");
        // What is killed may have written all that it had to.
        let number = |line: &str| line.trim_start_matches("Hello, ").trim_end_matches('!').parse::<u64>().unwrap();
        let printed: Vec<u64> = outcome.text().lines().map(number).collect();
        assert!(printed.is_sorted_by(|one, next| one < next), "{printed:?}");
        let done = column(&log, 0).into_iter().zip(column(&log, 6)).filter(|(_, exit)| exit == "0");
        assert!(done.map(|(done, _)| number(&done)).all(|done| printed.contains(&done)), "{printed:?}");
        let failed: Vec<_> = column(&log, 9).into_iter().filter(|verdict| verdict != "completed").collect();
        assert!(
            failed.iter().all(|verdict| verdict.starts_with("killed") || verdict.starts_with("lost")),
            "{failed:?}"
        );
        assert!(failed.len() <= 4 * killed && failed.len() < 100, "{killed} kills, {failed:?}");
        assert_eq!(outcome.code, i32::try_from(failed.len()).unwrap());
    }
}

#[test]
fn without_its_spawner_it_ends_and_says_so() {
    let running = map("does_as_told", &["-j2"], &["{}", "hang"]).stdin("log begun\n".repeat(9)).start();
    running.stderr.until_has("begun");
    let all = process::descendants(running.pid);
    called(running.pid, &["sandhog-spawner"]).into_iter().for_each(|pid| assert!(kill(pid)));
    let outcome = running.wait();
    assert_eq!(outcome.code, 125, "{outcome:#?}");
    assert!(outcome.stderr.contains("spawner"), "{}", outcome.stderr);
    until("the end of all", || all.iter().all(|process| !process::is_there(*process)).then_some(()));
}

#[test]
fn on_a_terminal_there_is_a_line_that_tells_how_far_it_is_and_none_elsewhere() {
    let (end, shown) = terminal();
    let running =
        map("sleep_ms", &["-j2"], &["{}"]).stdin("1\n700\n1\n700\n").env("TERM", "xterm").stderr_to(end).start();
    shown.until_has(" of 4 tasks, ");
    assert_eq!(running.wait().code, 0);
    let (end, shown) = terminal();
    let run = map("sleep_ms", &["--no-progress"], &["{}"]).stdin("700\n").env("TERM", "xterm").stderr_to(end);
    assert_eq!(run.run().code, 0);
    assert_eq!(String::from_utf8_lossy(&shown.so_far()), "");
}

#[test]
fn a_hundred_thousand_tasks_that_are_none_take_no_more_memory_than_a_thousand() {
    let peak = |count: u64| {
        let mut running = map("cat", &["-j2", "--input=files"], &[]).stdin_open().start();
        let names: String = (0..count).map(|number| format!("/nowhere/{number}\n")).collect();
        running.say(&names);
        drop(running.stdin.take());
        let pid = running.pid;
        let mut peak = 0;
        until("the end", || {
            peak = peak.max(process::peak_bytes(pid).unwrap_or_default());
            running.has_ended().then_some(())
        });
        assert_eq!(running.wait().code, 101);
        peak
    };
    let (few, many) = (peak(1000), peak(100_000));
    assert!(many < few + (8 << 20), "{few} bytes, {many} bytes");
}
