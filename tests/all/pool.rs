//! `sandhog pool`, by its protocol: many tasks of one program, each with one answer. The document's transcript is one of these facts.

use rustix::process::{Pid, Signal, kill_process};
use sandhog_harness::{Command, DEADLINE, Running, guest, process, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// What the command may need at its most, in bytes: some 15 MiB by itself, and what is on its way.
const FLAT: u64 = 96 << 20;

/// A pool that runs, and the program's end of its conversation.
struct Talk {
    pool: Running,
    program: BufReader<UnixStream>,
}

/// With these words before the module.
fn started(name: &str, flags: &[&str]) -> Talk {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(DEADLINE)).unwrap();
    ours.set_write_timeout(Some(DEADLINE)).unwrap();
    let theirs = OwnedFd::from(theirs);
    let run = Command::sandhog(["pool"]).flag(format!("--fd={}", theirs.as_raw_fd()));
    let run = flags.iter().fold(run, |run, flag| run.flag(flag)).flag(guest(name)).pass_on(theirs);
    Talk { pool: run.start(), program: BufReader::new(ours) }
}

/// With the first words said; the pool's among them.
fn greeted(name: &str, flags: &[&str]) -> (Talk, Value) {
    let mut talk = started(name, flags);
    talk.say(&json!({"type": "hello", "version": 1}));
    let hello = talk.hear();
    assert_eq!(hello["type"], "hello", "{hello}");
    (talk, hello)
}

impl Talk {
    fn say(&self, message: &Value) {
        self.say_line(&message.to_string());
    }

    fn say_line(&self, line: &str) {
        self.program.get_ref().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn task(&self, id: u64, value: impl Into<Value>) {
        self.say(&json!({"type": "task", "id": id, "value": value.into()}));
    }

    fn command(&self, id: u64, arguments: &[&str]) {
        self.say(&json!({"type": "task", "id": id, "arguments": arguments}));
    }

    fn hear_line(&mut self) -> String {
        let mut line = String::new();
        self.program.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn hear(&mut self) -> Value {
        let line = self.hear_line();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    /// So many answers, by their ids.
    fn hear_all(&mut self, count: usize) -> BTreeMap<u64, Value> {
        let answers: BTreeMap<_, _> =
            (0..count).map(|_| self.hear()).map(|answer| (answer["id"].as_u64().unwrap(), answer)).collect();
        assert_eq!(answers.len(), count, "a task had two answers");
        answers
    }

    /// Waits until so many workers have a task. Nothing else may be on its way.
    fn until_busy(&mut self, count: u64) {
        until("workers to have tasks", || {
            self.say(&json!({"type": "statistics"}));
            (self.hear()["busy"] == count).then_some(())
        });
    }

    fn close(self) {
        self.say(&json!({"type": "close"}));
        self.ends("closed", 0);
    }

    fn ends(mut self, reason: &str, code: i32) {
        assert_eq!(self.hear(), json!({"type": "ended", "reason": reason}));
        self.leaves(code, "");
    }

    /// Nothing follows, and nothing stays.
    fn leaves(self, code: i32, stderr: &str) {
        let Self { pool, mut program } = self;
        let mut rest = String::new();
        program.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        pool.wait().reported(code, stderr);
    }
}

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pool-protocol.md")).unwrap()
}

/// Whether a line is as expected, where `…` stands for a number.
fn is_like(line: &str, expected: &str) -> bool {
    let mut rest = line;
    expected.split('…').enumerate().all(|(number, part)| {
        if number > 0 {
            rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        }
        rest.strip_prefix(part).inspect(|after| rest = after).is_some()
    }) && rest.is_empty()
}

#[test]
fn the_documents_transcript_is_what_is_said() {
    let document = document();
    let (_, transcript) = document.split_once("```transcript\n").unwrap();
    let mut talk = started("hello-handler", &["-j1"]);
    for line in transcript.split("```").next().unwrap().lines() {
        match line.split_at(2) {
            ("> ", said) => talk.say_line(said),
            ("< ", expected) => {
                let heard = talk.hear_line();
                assert!(is_like(&heard, expected), "{heard}\n{expected}");
            }
            _ => panic!("{line}"),
        }
    }
    talk.leaves(0, "");
}

#[test]
fn many_tasks_are_under_way_and_each_has_its_answer() {
    for flags in [&["-j2"][..], &["-j2", "--reuse=50"]] {
        let (mut talk, _) = greeted("word-handler", flags);
        for id in 0..300 {
            talk.task(id, "a ".repeat(id as usize + 1));
        }
        for (id, answer) in talk.hear_all(300) {
            assert_eq!((&answer["type"], &answer["value"]["words"]), (&json!("answer"), &json!(id + 1)));
            // A fresh one has had no task before.
            assert!(flags.len() > 1 || answer["value"]["tasks"] == 1, "{answer}");
        }
        talk.close();
    }
}

#[test]
fn a_short_task_is_answered_before_a_long_one_that_was_first() {
    let (mut talk, hello) = greeted("sleep_ms", &["-j2"]);
    assert_eq!(hello["kind"], "command");
    talk.command(1, &["3000"]);
    talk.command(2, &["1"]);
    let (first, second) = (talk.hear(), talk.hear());
    assert_eq!((&first["id"], &second["id"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&first["verdict"]["verdict"], &second["verdict"]["verdict"]),
        (&json!("completed"), &json!("completed"))
    );
    talk.close();
}

#[test]
fn a_command_is_given_arguments_and_stdin_and_what_it_writes_comes_back() {
    let run = |talk: &mut Talk, task: Value| {
        talk.say(&task);
        talk.hear()
    };
    let (mut talk, _) = greeted("print_args", &["--argv0=me"]);
    let answer = run(&mut talk, json!({"type": "task", "id": "a", "arguments": ["x y", "ä"]}));
    assert_eq!((&answer["id"], &answer["stdout"]), (&json!("a"), &json!("me\nx y\nä\n")));
    assert_eq!(answer["verdict"]["job"], "print_args");
    assert!(answer["verdict"]["module"].as_str().unwrap().starts_with("blake3:"));
    assert!(answer["verdict"]["walls"].as_array().unwrap().contains(&json!("seccomp")), "{answer}");
    talk.close();
    let (mut talk, _) = greeted("cat", &[]);
    let answer = run(&mut talk, json!({"type": "task", "id": 1, "stdin": {"$bytes": "AP8="}}));
    assert_eq!(answer["stdout"], json!({"$bytes": "AP8="}));
    let large = "0123456789abcdef".repeat(50_000);
    let answer = run(&mut talk, json!({"type": "task", "id": 1, "stdin": large}));
    assert!(answer["stdout"] == large.as_str());
    talk.close();
    let (mut talk, _) = greeted("exit_code", &[]);
    let answer = run(&mut talk, json!({"type": "task", "id": 1, "arguments": ["3"]}));
    assert_eq!((&answer["verdict"]["verdict"], &answer["verdict"]["code"]), (&json!("failed"), &json!(3)));
    talk.close();
}

#[test]
fn a_crash_is_the_verdict_of_its_task_alone() {
    let (mut talk, _) = greeted("does_as_told", &["-j2"]);
    talk.command(1, &["trap"]);
    for id in 2..20 {
        talk.command(id, &[&format!("print {id}"), "exit 0"]);
    }
    let answers = talk.hear_all(19);
    assert_eq!(answers[&1]["verdict"]["verdict"], "trapped");
    for id in 2..20 {
        assert_eq!(answers[&id]["verdict"]["verdict"], "completed", "{}", answers[&id]);
        assert_eq!(answers[&id]["stdout"], format!("{id}\n"));
    }
    talk.close();
    // A handler that needs more than it has; those beside it go on.
    let (mut talk, _) = greeted("hello-handler", &["-j1", "--reuse=100", "--memory=4MiB"]);
    talk.task(1, "Ada");
    talk.task(2, "x".repeat(6 << 20));
    talk.task(3, "Grace");
    let answers = talk.hear_all(3);
    assert_eq!(answers[&1]["value"], "Hello, Ada!");
    assert_eq!(answers[&2]["type"], "verdict", "{}", answers[&2]["type"]);
    assert_eq!(answers[&3]["value"], "Hello, Grace!");
    talk.close();
}

#[test]
fn a_task_is_cancelled_while_it_waits_and_while_it_runs() {
    let (mut talk, _) = greeted("does_as_told", &["-j1"]);
    talk.command(1, &["hang"]);
    talk.until_busy(1);
    talk.command(2, &["print no", "exit 0"]);
    talk.command(3, &["print yes", "exit 0"]);
    talk.say(&json!({"type": "cancel", "id": 2}));
    let answer = talk.hear();
    assert_eq!(
        (&answer["type"], &answer["id"], &answer["reason"]),
        (&json!("not_run"), &json!(2), &json!("cancelled"))
    );
    talk.until_busy(1);
    talk.say(&json!({"type": "cancel", "id": 1}));
    let answers = talk.hear_all(2);
    assert_eq!(answers[&1]["type"], "verdict");
    assert_ne!(answers[&1]["verdict"]["verdict"], "completed");
    assert_eq!(answers[&3]["stdout"], "yes\n");
    talk.close();
}

#[test]
fn a_limit_of_time_counts_from_the_start_and_waiting_has_its_own() {
    let (mut talk, _) = greeted("does_as_told", &["-j1", "--timeout=30s"]);
    talk.say(&json!({"type": "task", "id": 1, "arguments": ["hang"], "timeout_ms": 300}));
    talk.say(&json!({"type": "task", "id": 2, "arguments": ["exit 0"], "timeout_ms": 30_000}));
    talk.say(&json!({"type": "task", "id": 3, "arguments": ["exit 0"], "wait_ms": 1}));
    let answers = talk.hear_all(3);
    assert_eq!(answers[&1]["verdict"]["verdict"], "deadline", "{}", answers[&1]);
    assert_eq!(answers[&2]["verdict"]["verdict"], "completed");
    assert_eq!((&answers[&3]["type"], &answers[&3]["reason"]), (&json!("not_run"), &json!("expired")));
    talk.close();
}

#[test]
fn a_duplicate_and_a_task_of_another_kind_are_refused_and_nothing_else_is() {
    let (mut talk, _) = greeted("does_as_told", &["-j1"]);
    talk.command(1, &["hang"]);
    talk.command(1, &["exit 0"]);
    talk.task(2, 7);
    let (first, second) = (talk.hear(), talk.hear());
    assert_eq!(
        (&first["type"], &first["id"], &first["reason"]),
        (&json!("refused"), &json!(1), &json!("duplicate_id"))
    );
    assert_eq!((&second["id"], &second["reason"]), (&json!(2), &json!("wrong_kind")));
    talk.until_busy(1);
    talk.say(&json!({"type": "cancel", "id": 1}));
    assert_eq!(talk.hear()["type"], "verdict");
    talk.command(1, &["exit 0"]);
    assert_eq!(talk.hear()["verdict"]["code"], 0);
    talk.close();
}

#[test]
fn what_is_no_message_ends_the_conversation_and_not_what_was_accepted() {
    let (mut talk, _) = greeted("hello-handler", &["-j1"]);
    talk.say_line(
        "{\"type\":\"task\",\"id\":1,\"value\":\"Ada\"}\n{oops\n{\"type\":\"task\",\"id\":2,\"value\":\"Grace\"}",
    );
    let heard = [talk.hear(), talk.hear()];
    let error = json!({"type": "error", "text": "line 3: it is no JSON: key must be a string at column 2"});
    assert!(heard.contains(&error), "{heard:?}");
    assert!(heard.contains(&json!({"type": "answer", "id": 1, "value": "Hello, Ada!"})), "{heard:?}");
    talk.ends("error", 1);
}

#[test]
fn a_line_that_is_too_long_is_told_and_takes_no_memory() {
    let (mut talk, _) = greeted("hello-handler", &["-j1"]);
    let mut writer = talk.program.get_ref().try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let chunk = vec![b' '; 1 << 20];
    // It reads as much as a line may have, and no more.
    let mebibytes = (0..1000).take_while(|_| writer.write_all(&chunk).is_ok()).count();
    assert!(mebibytes < 100, "{mebibytes} were taken");
    let error = talk.hear();
    assert_eq!(error["type"], "error");
    assert!(error["text"].as_str().unwrap().starts_with("line 2 is longer than"), "{error}");
    assert_eq!(talk.hear(), json!({"type": "ended", "reason": "error"}));
    assert_eq!(talk.pool.wait().code, 1);
}

#[test]
fn what_is_under_way_ends_when_the_program_goes_away() {
    let (mut talk, _) = greeted("does_as_told", &["-j2"]);
    talk.command(1, &["hang"]);
    talk.command(2, &["hang"]);
    let pid = talk.pool.pid;
    talk.until_busy(2);
    let workers = process::descendants(pid);
    let Talk { pool, program } = talk;
    drop(program);
    pool.wait().reported(141, "");
    assert!(workers.iter().all(|worker| !process::is_there(*worker)));
}

#[test]
fn the_end_of_a_programs_stream_is_the_end_of_its_tasks() {
    let lines = "{\"type\":\"hello\",\"version\":1}\n{\"type\":\"task\",\"id\":1,\"value\":\"Ada\"}\n";
    let outcome = Command::sandhog(["pool"]).flag(guest("hello-handler")).stdin(lines).run();
    let said: Vec<_> = outcome.text().lines().skip(1).collect();
    assert_eq!(said, [r#"{"type":"answer","id":1,"value":"Hello, Ada!"}"#, r#"{"type":"ended","reason":"closed"}"#]);
    outcome.reported(0, "");
}

#[test]
fn a_million_tasks_wait_in_the_stream_and_not_in_the_pool() {
    let (talk, hello) = greeted("does_as_told", &["-j1", "--max-waiting=100"]);
    assert_eq!((&hello["window"], &hello["workers"]), (&json!(101), &json!(1)));
    let mut writer = talk.program.get_ref().try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut taken = 0;
    for id in 0..1_000_000 {
        let line = format!("{{\"type\":\"task\",\"id\":{id},\"arguments\":[\"hang\"]}}\n");
        if writer.write_all(line.as_bytes()).is_err() {
            break;
        }
        taken += 1;
    }
    assert!(taken < 100_000, "{taken} tasks were taken");
    assert!(process::peak_bytes(talk.pool.pid).unwrap() < FLAT);
    drop((talk.program, writer));
    talk.pool.wait().reported(141, "");
}

#[test]
fn a_program_that_never_reads_stops_the_pool_and_nothing_grows() {
    let (talk, _) = greeted("word-handler", &["-j2", "--reuse=1000000"]);
    let mut writer = talk.program.get_ref().try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let longest = "x".repeat(4000);
    for id in 0..1_000_000 {
        let line = format!("{{\"type\":\"task\",\"id\":{id},\"value\":\"{longest}\"}}\n");
        if writer.write_all(line.as_bytes()).is_err() {
            break;
        }
    }
    assert!(process::peak_bytes(talk.pool.pid).unwrap() < FLAT);
    drop((talk.program, writer));
    talk.pool.wait().reported(141, "");
}

#[test]
fn a_signal_lets_tasks_end_and_a_second_one_does_not() {
    let (mut talk, _) = greeted("does_as_told", &["-j1"]);
    talk.command(1, &["spin 500", "print done", "exit 0"]);
    talk.until_busy(1);
    talk.pool.signal(Signal::TERM);
    assert_eq!(talk.hear()["stdout"], "done\n");
    talk.ends("stopped", 143);
    let (mut talk, _) = greeted("does_as_told", &["-j1"]);
    talk.command(1, &["hang"]);
    talk.until_busy(1);
    let start = Instant::now();
    talk.pool.signal(Signal::TERM);
    until("the second to be heard", || {
        if !talk.pool.has_ended() {
            talk.pool.signal(Signal::TERM);
        }
        talk.pool.has_ended().then_some(())
    });
    assert!(start.elapsed() < DEADLINE);
    talk.leaves(143, "");
}

#[test]
fn a_pool_that_is_killed_leaves_nothing() {
    let (mut talk, _) = greeted("does_as_told", &["-j2"]);
    talk.command(1, &["hang"]);
    talk.until_busy(1);
    let below = process::descendants(talk.pool.pid);
    assert!(below.len() > 2, "{below:?}");
    talk.pool.signal(Signal::KILL);
    until("all of it to end", || below.iter().all(|process| !process::is_there(*process)).then_some(()));
}

#[test]
fn whoever_of_a_pool_is_killed_each_task_has_one_answer() {
    let (mut talk, _) = greeted("does_as_told", &["-j2"]);
    (0..80).for_each(|id| talk.command(id, &["spin 10", "exit 0"]));
    for (round, victim) in ["sandhog-worker", "sandhog-worker", "sandhog-zygote"].iter().cycle().take(30).enumerate() {
        let below = process::descendants(talk.pool.pid);
        let victims: Vec<_> =
            below.into_iter().filter(|pid| process::name_of(*pid).as_deref() == Some(victim)).collect();
        if let Some(victim) = victims.get(round % victims.len().max(1)) {
            // It may have ended meanwhile.
            let _ = kill_process(Pid::from_raw(victim.cast_signed()).unwrap(), Signal::KILL);
        }
        // Over all of the time that the tasks take.
        thread::sleep(Duration::from_millis(5));
    }
    let answers = talk.hear_all(80);
    let completed = answers.values().filter(|answer| answer["verdict"]["verdict"] == "completed").count();
    assert!(completed > 40, "{completed} of 80");
    for answer in answers.values() {
        assert!(answer["type"] == "verdict" || answer["type"] == "not_run", "{answer}");
    }
    talk.close();
}

#[test]
fn a_module_that_can_not_be_run_is_told_in_place_of_hello() {
    let mut talk = started("imports_nobody_provides.wat", &[]);
    let error = talk.hear();
    assert_eq!(error["type"], "error");
    assert!(error["text"].as_str().unwrap().starts_with("sandhog: "), "{error}");
    let outcome = talk.pool.wait();
    assert_eq!(outcome.code, 126);
    assert_eq!(outcome.stderr.trim_end(), error["text"].as_str().unwrap());
}

#[test]
fn descriptors_and_limits_that_make_no_sense_are_refused() {
    let refused = |flag: &str, sentence: &str| {
        let outcome = Command::sandhog(["pool"]).flag(flag).flag(guest("hello-handler")).run();
        assert_eq!(outcome.code, 126);
        assert!(outcome.stderr.contains(sentence), "{}", outcome.stderr);
    };
    refused("--fd=77", "--fd: file descriptor 77 is not open");
    refused("--fd=1", "0, 1 and 2 are the command's streams");
    refused("--max-output=1GiB", "--max-output 1GiB: more than one message can hold");
    refused("-j0", "a pool needs at least one");
    let outcome = Command::sandhog(["pool", "--reuse=2"]).flag(guest("hello")).run();
    outcome.reported(126, "sandhog: --reuse: a program ends with its task; only a handler can do more than one\n");
}

#[test]
fn frames_of_messagepack_say_the_same() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(DEADLINE)).unwrap();
    let theirs = OwnedFd::from(theirs);
    let run = Command::sandhog(["pool", "--protocol=msgpack"]).flag(format!("--fd={}", theirs.as_raw_fd()));
    let pool = run.flag(guest("hello-handler")).pass_on(theirs).start();
    let mut program = ours;
    let say = |program: &mut UnixStream, body: &[u8]| {
        program.write_all(&[&(body.len() as u32).to_le_bytes()[..], body].concat()).unwrap();
    };
    let hear = |program: &mut UnixStream| {
        let mut header = [0; 4];
        program.read_exact(&mut header).unwrap();
        let mut body = vec![0; u32::from_le_bytes(header) as usize];
        program.read_exact(&mut body).unwrap();
        body
    };
    say(&mut program, b"\x82\xa4type\xa5hello\xa7version\x01");
    assert!(hear(&mut program).starts_with(b"\x86\xa4type\xa5hello\xa7version\x01\xa4kind\xa7handler"));
    say(&mut program, b"\x83\xa4type\xa4task\xa2id\x05\xa5value\xa3Ada");
    assert_eq!(hear(&mut program), b"\x83\xa4type\xa6answer\xa2id\x05\xa5value\xabHello, Ada!");
    program.shutdown(Shutdown::Write).unwrap();
    assert_eq!(hear(&mut program), b"\x82\xa4type\xa5ended\xa6reason\xa6closed");
    pool.wait().reported(0, "");
}
