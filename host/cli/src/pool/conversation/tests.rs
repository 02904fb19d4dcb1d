use super::super::{absence, answers, listen};
use super::*;
use crate::args::Protocol;
use sandhog_protocol::limits;
use sandhog_protocol::message::{Format, Message};
use sandhog_protocol::verdict::{StopReason, Usage, Verdict};
use sandhog_runtime::pool::captured::Captured;
use sandhog_runtime::pool::task::{Finished, Input, Outcome};
use sandhog_runtime::record::VerdictRecord;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc as blocking;
use std::thread::{self, JoinHandle};

/// Long enough that only a hang lasts longer.
const SOON: Duration = Duration::from_secs(60);

/// A pool whose tasks end when the test says so.
#[derive(Clone)]
struct Fake {
    submitted: blocking::Sender<Submitted>,
}

/// A task that has arrived there.
struct Submitted {
    task: Task,
    end: oneshot::Sender<Finished>,
    /// Whether it was cancelled; its ticket has gone where the sender has.
    cancelled: blocking::Receiver<()>,
}

struct FakeTicket {
    finished: oneshot::Receiver<Finished>,
    cancelled: Option<blocking::Sender<()>>,
}

impl Serve for Fake {
    type Ticket = FakeTicket;

    async fn submit(&self, task: Task) -> FakeTicket {
        let (end, finished) = oneshot::channel();
        let (cancel, cancelled) = blocking::channel();
        self.submitted.send(Submitted { task, end, cancelled }).unwrap();
        FakeTicket { finished, cancelled: Some(cancel) }
    }

    fn statistics(&self) -> Statistics {
        Statistics { idle: 1, busy: 1, ..Statistics::default() }
    }

    fn record(&self, verdict: Verdict, attempt: String, usage: Usage) -> VerdictRecord {
        VerdictRecord { usage, ..VerdictRecord::new(verdict, attempt, "fake".into()) }
    }
}

impl super::super::serve::Ticket for FakeTicket {
    fn cancel(&self) {
        self.cancelled.as_ref().unwrap().send(()).unwrap();
    }

    async fn end(&mut self) -> Finished {
        (&mut self.finished).await.unwrap()
    }
}

impl Submitted {
    fn end(self, outcome: Outcome) {
        self.write(outcome, "");
    }

    fn write(self, outcome: Outcome, stdout: &str) {
        let finished = Finished {
            outcome,
            attempt: Some("a-1".into()),
            stdout: Captured::from(stdout.as_bytes().to_vec()),
            stderr: Captured::default(),
            usage: Usage::default(),
            waited: Duration::ZERO,
            ran: Duration::ZERO,
        };
        self.end.send(finished).unwrap();
    }

    fn answer(self, body: &[u8]) {
        self.end(Outcome::Answer(Message { format: Format::Value, body: body.to_vec() }));
    }

    fn message(&self) -> &Message {
        let Input::Message(message) = &self.task.input else { panic!("{:?}", self.task) };
        message
    }
}

/// A program that talks, its pool, and what is between the two.
struct Talk {
    program: BufReader<UnixStream>,
    submitted: blocking::Receiver<Submitted>,
    stop: watch::Sender<Option<u8>>,
    held: JoinHandle<End>,
}

const WINDOW: Window = Window { kind: Kind::Handler, workers: 2, count: 100, bytes: 1000, arguments: 0, wait: None };

fn talk(window: Window) -> Talk {
    let (program, ours) = UnixStream::pair().unwrap();
    program.set_read_timeout(Some(SOON)).unwrap();
    program.set_write_timeout(Some(SOON)).unwrap();
    let (submit, submitted) = blocking::channel();
    let (ask, stop) = watch::channel(None);
    let held = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let output = || ours.try_clone().unwrap().into();
            let mut gone = std::pin::pin!(absence::reader_gone(output()));
            let answers = answers::answers(output(), Protocol::Json).unwrap();
            let heard = listen::listen(output(), Protocol::Json).unwrap();
            drop(ours);
            hold(Fake { submitted: submit }, window, Around { heard, answers, gone: gone.as_mut(), stop }).await
        })
    });
    Talk { program: BufReader::new(program), submitted, stop: ask, held }
}

/// With the first words said.
fn greeted(window: Window) -> Talk {
    let mut talk = talk(window);
    talk.say(&json!({"type": "hello", "version": 1}));
    assert_eq!(talk.hear()["type"], "hello");
    talk
}

impl Talk {
    fn say(&self, message: &Value) {
        self.say_line(&message.to_string());
    }

    fn say_line(&self, line: &str) {
        self.program.get_ref().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn task(&self, id: impl Into<Value>) {
        self.say(&json!({"type": "task", "id": id.into(), "value": 7}));
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.program.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    fn submitted(&self) -> Submitted {
        self.submitted.recv_timeout(SOON).unwrap()
    }

    /// Nothing follows that word, and the conversation is over.
    fn ends(mut self, reason: &str) -> End {
        assert_eq!(self.hear(), json!({"type": "ended", "reason": reason}));
        self.close()
    }

    fn close(mut self) -> End {
        let mut rest = String::new();
        let end = self.held.join().unwrap();
        // A command would end here; in a test the thread that reads has no other end.
        self.program.get_ref().shutdown(Shutdown::Write).unwrap();
        self.program.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        end
    }
}

#[test]
fn both_sides_say_hello_and_either_may_end_it() {
    let mut talk = talk(WINDOW);
    let hello =
        json!({"type": "hello", "version": 1, "kind": "handler", "workers": 2, "window": 100, "window_bytes": 1000});
    assert_eq!(talk.hear(), hello);
    talk.say(&json!({"type": "hello", "version": 1}));
    talk.say(&json!({"type": "close"}));
    assert!(matches!(talk.ends("closed"), End::Done(Ended::Closed)));
    let mut talk = greeted(WINDOW);
    talk.program.get_mut().shutdown(Shutdown::Write).unwrap();
    assert!(matches!(talk.ends("closed"), End::Done(Ended::Closed)));
}

#[test]
fn answers_come_as_they_come_and_each_task_has_one() {
    let mut talk = greeted(WINDOW);
    for id in [json!(1), json!("two"), json!(3), json!(4)] {
        talk.task(id);
    }
    let [one, two, three, four] = [(); 4].map(|()| talk.submitted());
    assert_eq!(one.message(), &Message { format: Format::Value, body: b"\x07".to_vec() });
    two.end(Outcome::Failure("no".into()));
    assert_eq!(talk.hear(), json!({"type": "failure", "id": "two", "text": "no"}));
    four.write(Outcome::Ended(Verdict::Failed { code: 3 }), "out\n");
    let verdict = talk.hear();
    assert_eq!((&verdict["type"], &verdict["id"], &verdict["stdout"]), (&json!("verdict"), &json!(4), &json!("out\n")));
    assert_eq!((&verdict["verdict"]["verdict"], &verdict["verdict"]["code"]), (&json!("failed"), &json!(3)));
    assert_eq!(verdict["verdict"]["attempt"], "a-1");
    one.answer(b"\xa2ok");
    assert_eq!(talk.hear(), json!({"type": "answer", "id": 1, "value": "ok"}));
    talk.say(&json!({"type": "close"}));
    three.end(Outcome::Closed("no worker starts".into()));
    assert_eq!(talk.hear(), json!({"type": "not_run", "id": 3, "reason": "closed", "text": "no worker starts"}));
    talk.ends("closed");
}

#[test]
fn what_a_task_says_of_its_time_arrives_and_waiting_counts_from_its_arrival() {
    let talk = greeted(Window { wait: Some(SOON), ..WINDOW });
    talk.say(&json!({"type": "task", "id": 1, "value": 7, "timeout_ms": 50}));
    let first = talk.submitted();
    assert_eq!(first.task.timeout, Some(Duration::from_millis(50)));
    assert!(first.task.wait.unwrap() <= SOON && first.task.wait.unwrap() > SOON / 2);
    talk.say(&json!({"type": "task", "id": 2, "value": 7, "wait_ms": 1000}));
    let second = talk.submitted();
    assert!(second.task.wait.unwrap() <= Duration::from_secs(1));
}

#[test]
fn a_task_is_cancelled_where_it_is() {
    let mut talk = greeted(WINDOW);
    // As many as may be ahead, and one that waits for its turn.
    (0..=AHEAD_AT_LEAST).for_each(|id| talk.task(id));
    let mut ahead: Vec<_> = (0..AHEAD_AT_LEAST).map(|_| talk.submitted()).collect();
    talk.say(&json!({"type": "cancel", "id": AHEAD_AT_LEAST}));
    let text = "it was taken back before a worker had it";
    assert_eq!(talk.hear(), json!({"type": "not_run", "id": AHEAD_AT_LEAST, "reason": "cancelled", "text": text}));
    talk.say(&json!({"type": "cancel", "id": 0}));
    let first = ahead.remove(0);
    first.cancelled.recv_timeout(SOON).unwrap();
    first.end(Outcome::Ended(Verdict::Stopped { graceful: false, reason: StopReason::Operator }));
    assert_eq!(talk.hear()["verdict"]["verdict"], "stopped");
    // Nothing is under way by these ids.
    talk.say(&json!({"type": "cancel", "id": 0}));
    talk.say(&json!({"type": "cancel", "id": "nobody"}));
    talk.say(&json!({"type": "cancel", "id": 1}));
    let second = ahead.remove(0);
    second.cancelled.recv_timeout(SOON).unwrap();
    // It was done all the same.
    second.answer(b"\x01");
    assert_eq!(talk.hear(), json!({"type": "answer", "id": 1, "value": 1}));
}

#[test]
fn a_task_that_waits_too_long_for_its_turn_is_not_run() {
    let mut talk = greeted(WINDOW);
    (0..AHEAD_AT_LEAST).for_each(|id| talk.task(id));
    let _ahead: Vec<_> = (0..AHEAD_AT_LEAST).map(|_| talk.submitted()).collect();
    talk.say(&json!({"type": "task", "id": "late", "value": 1, "wait_ms": 1}));
    let text = "it waited for longer than it was to";
    assert_eq!(talk.hear(), json!({"type": "not_run", "id": "late", "reason": "expired", "text": text}));
}

#[test]
fn an_id_is_one_tasks_until_it_is_answered() {
    let mut talk = greeted(WINDOW);
    talk.task(1);
    talk.task(1);
    let text = "a task of this id is under way";
    assert_eq!(talk.hear(), json!({"type": "refused", "id": 1, "reason": "duplicate_id", "text": text}));
    talk.submitted().answer(b"\x05");
    assert_eq!(talk.hear(), json!({"type": "answer", "id": 1, "value": 5}));
    talk.task(1);
    talk.submitted().answer(b"\x06");
    assert_eq!(talk.hear()["value"], 6);
}

#[test]
fn a_task_of_another_kind_is_refused_and_the_conversation_goes_on() {
    let mut talk = greeted(WINDOW);
    for task in [
        json!({"type": "task", "id": 1}),
        json!({"type": "task", "id": 2, "arguments": ["x"]}),
        json!({"type": "task", "id": 3, "value": 1, "stdin": "x"}),
    ] {
        talk.say(&task);
        let refused = talk.hear();
        assert_eq!((&refused["type"], &refused["reason"]), (&json!("refused"), &json!("wrong_kind")), "{task}");
        assert_eq!(refused["id"], task["id"]);
    }
    talk.task(1);
    talk.submitted().answer(b"\x05");
    assert_eq!(talk.hear()["value"], 5);
}

#[test]
fn a_command_has_arguments_and_stdin() {
    let mut talk = greeted(Window { kind: Kind::Command, arguments: 7, bytes: 10 << 20, ..WINDOW });
    talk.say(&json!({"type": "task", "id": 1, "arguments": ["a", ""], "stdin": {"$bytes": "/w=="}}));
    let (first, arguments) = (talk.submitted(), ["a", ""].map(str::to_owned).to_vec());
    assert_eq!(first.task.input, Input::Command { arguments, stdin: vec![0xff] });
    talk.say(&json!({"type": "task", "id": 2}));
    let second = talk.submitted();
    assert_eq!(second.task.input, Input::Command { arguments: vec![], stdin: vec![] });
    talk.say(&json!({"type": "task", "id": 3, "value": 1}));
    assert_eq!(talk.hear()["reason"], "wrong_kind");
    talk.say(&json!({"type": "task", "id": 4, "arguments": ["a\0b"]}));
    assert_eq!(talk.hear()["reason"], "wrong_kind");
    talk.say(&json!({"type": "task", "id": 5, "arguments": ["x".repeat(limits::ARGUMENTS - 7)]}));
    assert_eq!(talk.hear()["reason"], "too_large");
}

#[test]
fn who_breaks_the_rules_is_told_and_what_was_accepted_is_answered() {
    let mut talk = greeted(WINDOW);
    talk.task(1);
    talk.say_line("oops\n{\"type\":\"task\",\"id\":2,\"value\":1}");
    let submitted = talk.submitted();
    let error = json!({"type": "error", "text": "line 3: it is no JSON: expected value at column 1"});
    assert_eq!(talk.hear(), error);
    submitted.answer(b"\x05");
    assert_eq!(talk.hear()["id"], 1);
    assert!(matches!(talk.ends("error"), End::Done(Ended::Error)));
}

#[test]
fn the_first_word_is_hello_once_and_of_this_version() {
    for (line, text) in [
        (r#"{"type":"statistics"}"#, "the first message is to be a hello"),
        (r#"{"type":"hello","version":2}"#, "version 2 of the protocol is not known here; this pool speaks 1"),
    ] {
        let mut talk = talk(WINDOW);
        talk.say_line(line);
        talk.hear();
        assert_eq!(talk.hear(), json!({"type": "error", "text": text}));
        talk.ends("error");
    }
    let mut talk = greeted(WINDOW);
    talk.say(&json!({"type": "hello", "version": 1}));
    assert_eq!(talk.hear(), json!({"type": "error", "text": "a second hello"}));
    talk.ends("error");
}

#[test]
fn what_is_under_way_is_ended_when_the_program_goes_away() {
    let talk = greeted(WINDOW);
    talk.task(1);
    let submitted = talk.submitted();
    drop(talk.program);
    assert!(matches!(talk.held.join().unwrap(), End::Gone));
    // Its ticket was dropped, not cancelled: nobody is there to be told.
    assert_eq!(submitted.cancelled.recv_timeout(SOON), Err(blocking::RecvTimeoutError::Disconnected));
}

#[test]
fn a_program_that_only_sends_no_more_gets_its_answers() {
    let mut talk = greeted(WINDOW);
    talk.task(1);
    talk.program.get_mut().shutdown(Shutdown::Write).unwrap();
    talk.submitted().answer(b"\x05");
    assert_eq!(talk.hear()["value"], 5);
    talk.ends("closed");
}

#[test]
fn a_signal_ends_the_reading_and_lets_tasks_end() {
    let mut talk = greeted(WINDOW);
    talk.task(1);
    let submitted = talk.submitted();
    talk.stop.send_replace(Some(143));
    // Whether this one is read nobody knows; it has no answer, for it was not accepted.
    talk.task(2);
    submitted.answer(b"\x05");
    assert_eq!(talk.hear()["value"], 5);
    assert_eq!(talk.hear(), json!({"type": "ended", "reason": "stopped"}));
}

#[test]
fn no_more_is_read_than_there_is_room_for_and_no_more_is_ahead_than_may_be() {
    let talk = greeted(WINDOW);
    let mut writer = talk.program.get_ref().try_clone().unwrap();
    let writing = thread::spawn(move || {
        let mut text = String::new();
        for id in 0..100_000 {
            text = format!("{{\"type\":\"task\",\"id\":{id},\"value\":7}}\n");
            if writer.write_all(text.as_bytes()).is_err() {
                break;
            }
        }
        text
    });
    let ahead: Vec<_> = (0..AHEAD_AT_LEAST).map(|_| talk.submitted()).collect();
    // It would have gone on within a second.
    assert!(talk.submitted.recv_timeout(Duration::from_millis(200)).is_err(), "more was ahead");
    assert!(!writing.is_finished(), "a hundred thousand tasks were taken");
    talk.program.get_ref().shutdown(Shutdown::Both).unwrap();
    assert!(matches!(talk.held.join().unwrap(), End::Gone));
    drop(ahead);
    writing.join().unwrap();
}

#[test]
fn bytes_count_as_well_and_a_task_that_is_larger_than_all_is_alone() {
    let mut talk = greeted(WINDOW);
    let of = |id: u32, length: usize| json!({"type": "task", "id": id, "value": "x".repeat(length)});
    talk.say(&of(1, 5000));
    let large = talk.submitted();
    talk.say(&of(2, 400));
    talk.say(&json!({"type": "statistics"}));
    assert!(talk.submitted.recv_timeout(Duration::from_millis(50)).is_err(), "there was room");
    large.answer(b"\x01");
    assert_eq!(talk.hear()["id"], 1);
    let small = talk.submitted();
    let statistics = talk.hear();
    assert_eq!((&statistics["accepted"], &statistics["answered"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&statistics["running"], &statistics["waiting"], &statistics["idle"]),
        (&json!(1), &json!(0), &json!(1))
    );
    small.answer(b"\x02");
    assert_eq!(talk.hear()["id"], 2);
}

#[test]
fn a_program_that_reads_nothing_is_not_read_either() {
    let talk = greeted(WINDOW);
    let mut writer = talk.program.get_ref().try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let line = "{\"type\":\"statistics\"}\n".repeat(1000);
    let written = (0..1000).take_while(|_| writer.write_all(line.as_bytes()).is_ok()).count();
    assert!(written < 1000, "a million questions were taken whose answers nobody reads");
    drop((talk.program, writer));
    assert!(matches!(talk.held.join().unwrap(), End::Gone));
}

#[test]
fn an_answer_that_is_none_is_told_as_such() {
    let mut talk = greeted(WINDOW);
    for (id, body) in [(1, &b"\x91"[..]), (2, b"\xa1\xff")] {
        talk.task(id);
        talk.submitted().answer(body);
        let invalid = talk.hear();
        assert_eq!((&invalid["type"], &invalid["id"]), (&json!("invalid"), &json!(id)));
    }
}
