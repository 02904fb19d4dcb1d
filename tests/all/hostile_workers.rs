//! Facts about hostile workers: native code in a guest's place, which says whatever a test makes up, in any state.
//!
//! The coordinator is the command itself: that it is unharmed shows in its end, which is orderly, and in its memory.

mod children;
mod keepers;
mod zygotes;

use sandhog_harness::{Command, Outcome, Running, guest, process, until};
use sandhog_protocol::frame::{self, HEADER, body_length, decode_body};
use sandhog_protocol::limits;
use sandhog_protocol::request::{ChildId, ChildJob, ChildLimits, ChildStdio, Level, Refused, Reply, Request};
use sandhog_protocol::verdict::Verdict;
use sandhog_protocol::worker::{CompileReport, End, FromWorker, ProbeReport, Report, ToWorker, TrapKind};
use serde_json::Value;
use std::io::Write;
use std::thread;

/// What the command may need at its most, in bytes: some 16 MiB by itself, and what one worker can make it keep, which is nine
/// messages of 8 MiB each (`limits::VALUES`): one that is read, one and two that wait for their attempt, one that it has, one and
/// two that wait to be served, one that is, and the growing list of the first.
const FLAT: u64 = (16 + 9 * 8) << 20;

/// A worker that says what a test makes up.
struct HostileWorker {
    running: Running,
    /// Bytes of its stdout that have been looked at.
    heard: usize,
    /// The most memory that the command was seen to have.
    peak: u64,
}

impl HostileWorker {
    fn new(flags: &[&str]) -> Self {
        Self::of(Command::lie("relay").flag("--"), flags)
    }

    fn of(run: Command, flags: &[&str]) -> Self {
        let run = flags.iter().fold(run, Command::flag);
        Self { running: run.stdin_open().start(), heard: 0, peak: 0 }
    }

    /// With children of these names, each another guest.
    fn with_children(children: &[&str], flags: &[&str]) -> Self {
        let grants: Vec<String> = children.iter().map(|name| format!("--child={name}={}", path(name))).collect();
        Self::new(&grants.iter().map(String::as_str).chain(flags.iter().copied()).collect::<Vec<_>>())
    }

    fn says(&mut self, message: &FromWorker) -> &mut Self {
        self.writes(&frame::encode(message).unwrap())
    }

    fn asks(&mut self, request: Request) -> &mut Self {
        self.says(&FromWorker::Asks(request))
    }

    /// The command may have ended the worker meanwhile.
    fn writes(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.running.stdin.as_mut().unwrap().write_all(bytes);
        self
    }

    /// The same bytes again and again until nobody takes them any more; meanwhile its memory is looked at.
    fn floods(mut self, bytes: Vec<u8>) -> (Outcome, u64) {
        let mut stdin = self.running.stdin.take().unwrap();
        let flood = thread::spawn(move || while stdin.write_all(&bytes).is_ok() {});
        until("the end of a flood", || {
            self.look();
            self.running.has_ended().then_some(())
        });
        flood.join().unwrap();
        (self.running.wait(), self.peak)
    }

    fn look(&mut self) {
        self.peak = self.peak.max(process::peak_bytes(self.running.pid).unwrap_or(0));
    }

    /// The next thing that it was told.
    fn hears(&mut self) -> Reply {
        let (bytes, heard) = (self.running.stdout.clone(), self.heard);
        let (reply, length) = until("an answer", || {
            let bytes = bytes.so_far();
            let (header, rest) = bytes[heard..].split_first_chunk::<HEADER>()?;
            let length = body_length(*header).unwrap();
            let message = decode_body::<ToWorker>(rest.get(..length)?).unwrap();
            let ToWorker::Tells(reply) = message else { panic!("{message:?}") };
            Some((reply, HEADER + length))
        });
        self.heard += length;
        reply
    }

    fn spawns(&mut self, job: ChildJob) -> Reply {
        self.asks(Request::Spawn(Box::new(job)));
        self.hears()
    }

    /// The number of a child that was started.
    fn has(&mut self, job: ChildJob) -> ChildId {
        match self.spawns(job) {
            Reply::Spawned { child, .. } => child,
            other => panic!("{other:?}"),
        }
    }

    fn is_refused(&mut self, job: ChildJob) -> Refused {
        match self.spawns(job) {
            Reply::NotSpawned(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// A child's end, whichever comes next.
    fn buries(&mut self) -> (ChildId, Verdict, u32) {
        match self.hears() {
            Reply::ChildEnded { child, verdict, code, .. } => (child, verdict, code),
            other => panic!("{other:?}"),
        }
    }

    fn completes(mut self) -> Outcome {
        self.says(&exited(0));
        let outcome = self.running.wait();
        assert_eq!((outcome.code, &outcome.verdict["verdict"]), (0, &Value::from("completed")), "{outcome:#?}");
        outcome
    }

    /// It was ended for what it said: `lost`, for a breach of the protocol that is told with these words.
    #[track_caller]
    fn caught(self, words: &str) {
        let outcome = self.running.wait_with_stdin_open();
        outcome.is(125, "lost");
        let reason = outcome.verdict["reason"].as_str().unwrap();
        assert!(reason.starts_with("protocol: ") && reason.contains(words), "{reason:?}");
        harmless(&outcome);
    }
}

/// Nothing in it moves a cursor, and no line of it is longer than a report's.
#[track_caller]
fn harmless(outcome: &Outcome) {
    let is_odd = |character: char| character.is_control() && character != '\n';
    assert!(!outcome.stderr.contains(is_odd), "{outcome:#?}");
}

fn path(name: &str) -> String {
    guest(name).into_os_string().into_string().unwrap()
}

fn exited(code: u32) -> FromWorker {
    FromWorker::Ended(Report::of(End::Exited { code }))
}

fn child(module: &str) -> ChildJob {
    ChildJob {
        module: module.into(),
        arguments: Vec::new(),
        environment: Vec::new(),
        directories: Vec::new(),
        modules: Vec::new(),
        objects: Vec::new(),
        max_objects: 0,
        passed: false,
        limits: ChildLimits::default(),
        data: None,
        stdio: [ChildStdio::Null; 3],
        connected: false,
        detached: false,
        fresh: false,
    }
}

fn log(text: &str, fields: Vec<(String, String)>) -> Request {
    Request::Log { level: Level::Info, text: text.into(), fields }
}

fn with_length(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat()
}

#[test]
fn a_length_over_the_limit_ends_the_worker_before_anything_of_it_is_read() {
    for length in [u32::try_from(limits::FRAME).unwrap() + 1, u32::MAX] {
        let mut hostile = HostileWorker::new(&[]);
        hostile.writes(&length.to_le_bytes());
        hostile.caught(&format!("frame of {length} bytes"));
    }
}

#[test]
fn a_hundred_thousand_levels_end_the_worker() {
    let nested = |level: u8, length| with_length(&vec![level; length]);
    for frame in [nested(0x91, 100_000), nested(0x91, limits::FRAME), nested(0x81, limits::FRAME)] {
        let mut hostile = HostileWorker::new(&[]);
        hostile.writes(&frame);
        hostile.caught("nested deeper");
    }
}

#[test]
fn a_frame_that_ends_in_the_middle_is_a_breach() {
    let mut hostile = HostileWorker::new(&[]);
    hostile.writes(&with_length(&[0; 100])[..50]);
    drop(hostile.running.stdin.take());
    hostile.caught("the other end closed in the middle");
}

#[test]
fn random_bytes_end_the_worker() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..16 {
        let mut bytes = vec![0; 64];
        for byte in &mut bytes {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            *byte = seed as u8;
        }
        // Of a length that can be: else nothing but that was tried.
        let mut hostile = HostileWorker::new(&[]);
        hostile.writes(&with_length(&bytes));
        hostile.caught("");
    }
}

#[test]
fn messages_at_the_wrong_time_end_the_worker() {
    let wrong = [
        (FromWorker::Hello { version: sandhog_protocol::VERSION }, "a greeting at the wrong time"),
        (FromWorker::Hello { version: 7 }, "a greeting at the wrong time or of another version"),
        (FromWorker::Unsealed(sealing()), "a report at the wrong time"),
        (FromWorker::Asks(Request::Stop { child: 1 }), "the number 1 of a child that it never had"),
        (FromWorker::Asks(Request::Kill { child: 0 }), "the number 0 of a child that it never had"),
        (FromWorker::Asks(Request::Kill { child: u32::MAX }), "the number 4294967295 of a child"),
        (FromWorker::Asks(Request::Usage { child: 1 }), "the number 1 of a child that it never had"),
        (FromWorker::Asks(Request::Usage { child: 0 }), "the number 0 of a child that it never had"),
    ];
    for (message, words) in wrong {
        let mut hostile = HostileWorker::new(&[]);
        hostile.says(&message);
        hostile.caught(words);
    }
}

fn sealing() -> sandhog_protocol::worker::SealFailure {
    sandhog_protocol::worker::SealFailure { step: "lie".into(), errno: 1, what: "lie".into() }
}

#[test]
fn a_report_of_another_kind_of_worker_is_none() {
    let kind = sandhog_protocol::plan::Kind::Core;
    let reports = [
        FromWorker::Compiled(CompileReport::Done { bytes: u64::MAX, kind }),
        FromWorker::Compiled(CompileReport::Memory),
        FromWorker::Probed(ProbeReport { stopped: true, detail: "\x1b[2J".into() }),
    ];
    for report in reports {
        let mut hostile = HostileWorker::new(&[]);
        hostile.says(&report);
        drop(hostile.running.stdin.take());
        let outcome = hostile.running.wait();
        outcome.is(125, "lost");
        assert_eq!(outcome.verdict["reason"], "a report of another kind of worker", "{outcome:#?}");
        harmless(&outcome);
    }
}

#[test]
fn nothing_that_follows_a_report_changes_the_verdict() {
    for after in
        [exited(0), FromWorker::Asks(Request::Ready), FromWorker::Asks(Request::Spawn(Box::new(child("hello"))))]
    {
        let mut hostile = HostileWorker::with_children(&["hello"], &[]);
        hostile.says(&exited(7)).says(&after);
        let outcome = hostile.running.wait_with_stdin_open();
        outcome.is(7, "failed");
    }
}

#[test]
fn a_worker_that_stays_after_its_report_is_ended() {
    let mut hostile = HostileWorker::new(&[]);
    hostile.says(&exited(3));
    hostile.running.wait_with_stdin_open().is(3, "failed");
}

#[test]
fn a_worker_that_closes_its_channel_and_stays_is_ended() {
    let outcome = Command::lie("shutdown").flag("--without=seccomp").flag("--").run();
    assert_eq!(outcome.verdict["verdict"], "killed", "{outcome:#?}");
}

#[test]
fn descriptors_from_a_worker_are_a_breach_be_they_one_or_many() {
    for count in ["1", "200", "253"] {
        let outcome = Command::lie(&format!("fds:{count}")).flag("--without=seccomp").flag("--").run();
        outcome.is(125, "lost");
        assert!(outcome.verdict["reason"].as_str().unwrap().contains("file descriptors where none"), "{outcome:#?}");
        // The filter does not even let it try.
        Command::lie(&format!("fds:{count}")).flag("--").run().is(159, "denied");
    }
}

#[test]
fn words_of_a_worker_reach_the_screen_harmless_and_short() {
    let evil = "\x1b]0;owned\x07\x1b[2J\nsandhog: completed\r\u{202e}\0";
    let long = evil.repeat(500_000 / evil.len());
    let trap = |backtrace| End::Trapped { kind: TrapKind::Other, message: long.clone(), backtrace };
    let ends = [
        trap(vec![evil.into(); 10_000]),
        trap(vec![long.clone()]),
        End::Broken { reason: long.clone() },
        End::Refused { reason: long.clone() },
    ];
    for end in ends {
        let mut hostile = HostileWorker::new(&[]);
        hostile.says(&FromWorker::Ended(Report::of(end)));
        drop(hostile.running.stdin.take());
        let outcome = hostile.running.wait();
        harmless(&outcome);
        assert!(!outcome.stderr.contains('\u{202e}') && outcome.stderr.len() < 1 << 20, "{outcome:#?}");
        assert!(outcome.verdict_line.lines().count() == 1 && outcome.verdict_line.len() < 1 << 20);
    }
}

#[test]
fn the_name_of_an_unknown_message_reaches_the_screen_harmless_and_short() {
    let name = "\x1b[2J\nsandhog: completed".repeat(20_000);
    let mut hostile = HostileWorker::new(&[]);
    hostile.writes(&with_length(&frame::encode_body(&name).unwrap()));
    let outcome = hostile.running.wait_with_stdin_open();
    outcome.is(125, "lost");
    harmless(&outcome);
    assert!(outcome.stderr.len() < 16 << 10, "{} bytes", outcome.stderr.len());
}

#[test]
fn lines_of_a_log_are_lines_whatever_is_in_them() {
    let mut hostile = HostileWorker::new(&[]);
    let evil = "\x1b[2Ja\nINFO hello: forged\r\0\u{9b}2J";
    hostile.asks(log(evil, vec![(evil.into(), evil.into())]));
    hostile.asks(log(&"x\x1b".repeat(100_000), Vec::new()));
    hostile.asks(log("", vec![("\x07".into(), "y".repeat(100_000)); 5]));
    hostile.asks(Request::Retire { reason: evil.repeat(10_000) });
    hostile.asks(Request::Progress { done: u64::MAX, total: Some(0), note: evil.repeat(10_000) });
    let outcome = hostile.completes();
    harmless(&outcome);
    assert_eq!(outcome.stderr.lines().count(), 4, "{outcome:#?}");
    assert!(outcome.stderr.lines().all(|line| line.starts_with("INFO hello: ") || line.starts_with("WARN hello: ")));
    // An escaped character is at most ten bytes long.
    assert!(outcome.stderr.len() < 4 * 10 * limits::LOG_TEXT, "{}", outcome.stderr.len());
}

#[test]
fn text_that_is_no_text_ends_the_worker() {
    let mut frame = frame::encode(&FromWorker::Asks(log("~~~~", Vec::new()))).unwrap();
    let workspace = frame.windows(4).position(|window| window == b"~~~~").unwrap();
    frame[workspace..workspace + 4].copy_from_slice(b"\xff\xfe\xc0\x80");
    let mut hostile = HostileWorker::new(&[]);
    hostile.writes(&frame);
    hostile.caught("");
}

#[test]
fn a_flood_leaves_the_memory_flat() {
    let small = |request: Request| frame::encode(&FromWorker::Asks(request)).unwrap().repeat(100);
    let progress = Request::Progress { done: 1, total: None, note: "n".repeat(limits::PROGRESS_NOTE) };
    let floods = [
        ("heartbeats", small(Request::Heartbeat)),
        ("ready", small(Request::Ready)),
        ("listens", small(Request::Listens)),
        ("progress", small(progress)),
        ("log", small(log(&"l\x1b".repeat(limits::LOG_TEXT / 2), Vec::new()))),
    ];
    for (what, flood) in floods {
        let (outcome, peak) = HostileWorker::new(&["--timeout=1s"]).floods(flood);
        outcome.is(124, "deadline");
        assert!(peak < FLAT, "{what}: {peak} bytes");
    }
}

#[test]
fn messages_that_grow_when_they_are_read_leave_the_memory_flat() {
    let log = |text: &str, count| log("", vec![(text.into(), text.into()); count]);
    let spawn = |text: &str, count| {
        Request::Spawn(Box::new(ChildJob { arguments: vec![text.into(); count], ..child("nothing") }))
    };
    // As many values as there may be, and as much in each as fits into a frame.
    let floods = [("fields", log("~~", 40_000)), ("arguments", spawn("~~~~~~", 130_000))];
    for (what, flood) in floods {
        let flood = frame::encode(&FromWorker::Asks(flood)).unwrap();
        for lie in ["relay", "deaf"] {
            let hostile = HostileWorker::of(Command::lie(lie).flag("--"), &["--timeout=2s", "--log=off"]);
            let (outcome, peak) = hostile.floods(flood.clone());
            outcome.is(124, "deadline");
            assert!(peak < FLAT, "{what}, {lie}: {peak} bytes");
        }
    }
    for (what, flood) in [("fields", log("", 340_000)), ("arguments", spawn("", 1_000_000))] {
        let mut hostile = HostileWorker::new(&[]);
        hostile.asks(flood).look();
        assert!(hostile.peak < FLAT, "{what}: {} bytes", hostile.peak);
        hostile.caught("message of more than 131072 values");
    }
}
