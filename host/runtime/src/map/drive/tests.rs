use super::*;
use crate::map::answers::Answers;
use crate::map::joblog::{HEADER, Resume};
use crate::map::log_file::LogFile;
use crate::map::placeholders::Template;
use crate::map::printer::Output;
use crate::map::random::Random;
use crate::map::reading::Source;
use crate::map::recipe::{Cut, For};
use crate::map::tally::Tally;
use crate::stop::StopRequest;
use sandhog_protocol::message::{Format, Message};
use sandhog_protocol::verdict::Verdict;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a worker of these tests does with a task of this text, tried for the nth time.
type Script = dyn Fn(&str, usize) -> Does + Send + Sync;

enum Does {
    End(Outcome),
    /// Until nobody wants it.
    Hang,
    /// Until so many tasks have been begun.
    WaitFor(usize),
}

/// Workers that only say what they have done.
#[derive(Clone)]
struct Fake {
    script: Arc<Script>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    tries: Mutex<HashMap<String, usize>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    begun: watch::Sender<usize>,
}

impl Fake {
    fn new(script: impl Fn(&str, usize) -> Does + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), seen: Arc::default() }
    }

    fn begun(&self) -> usize {
        *self.seen.begun.borrow()
    }
}

impl Workers for Fake {
    async fn work(&self, task: Task, mut wanted: watch::Receiver<Wanted>) -> Finished {
        let text = text_of(&task.input);
        let seen = &self.seen;
        let now = seen.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most_at_once.fetch_max(now, Ordering::SeqCst);
        seen.begun.send_modify(|begun| *begun += 1);
        let tried = {
            let mut tries = seen.tries.lock().unwrap();
            let tried = tries.entry(text.clone()).or_default();
            *tried += 1;
            *tried
        };
        // Ends in whatever order.
        for _ in 0..Random(text.len() as u64 + tried as u64 + text.bytes().map(u64::from).sum::<u64>()).below(7) {
            tokio::task::yield_now().await;
        }
        let outcome = match (self.script)(&text, tried) {
            Does::End(outcome) => outcome,
            Does::Hang => {
                let _ = wanted.wait_for(|wanted| *wanted != Wanted::Yes).await;
                stopped()
            }
            Does::WaitFor(count) => {
                let mut begun = seen.begun.subscribe();
                tokio::select! {
                    _ = begun.wait_for(|begun| *begun >= count) => completed(),
                    _ = wanted.wait_for(|wanted| *wanted != Wanted::Yes) => stopped(),
                }
            }
        };
        seen.at_once.fetch_sub(1, Ordering::SeqCst);
        Finished { stdout: format!("<{text}>").into_bytes().into(), ran: Duration::from_millis(2), outcome, ..lost("") }
    }
}

fn text_of(input: &Input) -> String {
    match input {
        Input::Command { arguments, stdin } => {
            format!("{}{}", arguments.join(" "), String::from_utf8_lossy(stdin).trim_end())
        }
        Input::Message(message) => String::from_utf8_lossy(&message.body).into_owned(),
        Input::Clients(_) => panic!("no task of an input has clients"),
    }
}

fn completed() -> Outcome {
    Outcome::Ended(Verdict::Completed { code: 0 })
}

fn stopped() -> Outcome {
    Outcome::Ended(Verdict::Stopped { graceful: false, reason: StopReason::Interrupt })
}

fn failed(code: u32) -> Outcome {
    Outcome::Ended(Verdict::Failed { code })
}

/// A map of a few settings.
struct Map {
    directory: tempfile::TempDir,
    input: String,
    at_once: usize,
    tries: u64,
    halt: Halt,
    in_order: bool,
    cut: Cut,
    arguments: Vec<String>,
    slots: Option<usize>,
    out: Option<OwnedFd>,
    resume: Resume,
}

impl Map {
    fn of(input: &str) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            input: input.into(),
            at_once: 8,
            tries: 1,
            halt: Halt::Never,
            in_order: true,
            cut: Cut::Lines,
            arguments: Vec::new(),
            slots: None,
            out: None,
            resume: Resume::No,
        }
    }

    fn numbers(count: usize) -> Self {
        Self::of(&(1..=count).map(|number| format!("{number}\n")).collect::<String>())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn order(&mut self) -> (Order, Outputs) {
        std::fs::write(self.path("input"), &self.input).unwrap();
        let given = self.out.take();
        let file = |name| OwnedFd::from(File::create(self.path(name)).unwrap());
        let (log, passed) = LogFile::open(&self.path("log"), self.resume).unwrap();
        let (out, err) = (given.unwrap_or_else(|| file("out")), file("err"));
        let template = Template::new(&self.arguments);
        let outputs = Outputs {
            out: Output { fd: out, is_terminal: false },
            err: Output { fd: err, is_terminal: false },
            log: Some(log),
        };
        let of = For::Command { template, room: 1000 };
        let order = Order {
            reading: Reading {
                sources: vec![Source::File(self.path("input"))],
                recipe: Recipe { cut: self.cut, of, command: vec!["c.wasm".into()] },
                chunk: 1,
                passed,
            },
            of: Of::Command,
            at_once: self.at_once,
            slots: self.slots,
            tries: self.tries,
            wait: None,
            halt: self.halt,
            in_order: self.in_order,
        };
        (order, outputs)
    }

    fn run(&mut self, fake: &Fake) -> Report {
        self.run_until(fake, std::future::pending())
    }

    /// The command is stopped when `until` is over.
    fn run_until(&mut self, fake: &Fake, until: impl Future<Output = ()>) -> Report {
        let (order, outputs) = self.order();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (stop, stops) = watch::channel(None);
            let driving = drive(order, outputs, fake.clone(), stops, Arc::new(Nobody));
            tokio::pin!(driving);
            tokio::select! {
                report = &mut driving => report,
                () = until => {
                    stop.send_replace(Some(StopRequest::Stop(StopReason::Interrupt)));
                    driving.await
                }
            }
        })
    }

    fn out(&self) -> String {
        std::fs::read_to_string(self.path("out")).unwrap()
    }

    /// Number, exit and verdict of each line.
    fn log(&self) -> Vec<(u64, u8, String)> {
        let text = std::fs::read_to_string(self.path("log")).unwrap();
        let lines = text.strip_prefix(HEADER).unwrap().lines();
        let columns = lines.map(|line| line.split('\t').collect::<Vec<_>>());
        columns.map(|columns| (columns[0].parse().unwrap(), columns[6].parse().unwrap(), columns[9].into())).collect()
    }
}

struct Nobody;

impl Watcher for Nobody {
    fn counts(&self, _: &Tally) {}

    fn beside(&self, write: &mut dyn FnMut() -> bool) {
        write();
    }
}

fn outputs(numbers: impl Iterator<Item = u64>) -> String {
    numbers.map(|number| format!("<{number}>")).collect()
}

#[test]
fn whatever_ends_first_the_output_and_the_log_are_in_order() {
    let mut map = Map::numbers(3000);
    let fake = Fake::new(|_, _| Does::End(completed()));
    let report = map.run(&fake);
    assert_eq!((report.over, report.tally.succeeded, report.tally.total), (Over::Done, 3000, Some(3000)));
    assert!(report.trouble.is_none());
    assert_eq!(map.out(), outputs(1..=3000));
    assert!(map.log().iter().map(|line| line.0).eq(1..=3000));
    let most = fake.seen.most_at_once.load(Ordering::SeqCst);
    assert!(most <= 8 && most > 1, "{most}");
}

#[test]
fn without_an_order_each_output_is_there_once_and_whole() {
    let mut map = Map { in_order: false, ..Map::numbers(500) };
    let report = map.run(&Fake::new(|_, _| Does::End(completed())));
    assert_eq!(report.tally.succeeded, 500);
    let out = map.out();
    let mut numbers: Vec<u64> =
        out.split('<').skip(1).map(|each| each.strip_suffix('>').unwrap().parse().unwrap()).collect();
    assert_ne!(out, outputs(1..=500), "some other order");
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=500));
}

#[test]
fn a_slow_first_task_holds_back_a_bounded_number() {
    let count = 3 * WINDOW as usize;
    let fake = Fake::new(|text, _| if text == "1" { Does::WaitFor(WINDOW as usize) } else { Does::End(completed()) });
    let mut map = Map::numbers(count);
    assert_eq!(map.run(&fake).tally.succeeded, count as u64);
    assert_eq!(map.out(), outputs(1..=count as u64));
    // And no more than that: the first would wait for ever.
    let fake =
        Fake::new(|text, _| if text == "1" { Does::WaitFor(WINDOW as usize + 1) } else { Does::End(completed()) });
    let seen = Arc::clone(&fake.seen);
    let until = async move {
        let _ = seen.begun.subscribe().wait_for(|begun| *begun >= WINDOW as usize).await;
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    };
    let report = Map::numbers(count).run_until(&fake, until);
    assert_eq!((report.over, fake.begun() as u64), (Over::Stopped(StopReason::Interrupt), WINDOW));
}

#[test]
fn a_task_that_fails_is_tried_so_often_and_its_last_output_is_printed() {
    let fake = Fake::new(|text, tried| match (text, tried) {
        ("2", ..3) | ("3", _) => Does::End(failed(7)),
        _ => Does::End(completed()),
    });
    let mut map = Map { tries: 3, ..Map::numbers(4) };
    let report = map.run(&fake);
    assert_eq!((report.tally.succeeded, report.tally.failed, report.over), (3, 1, Over::Done));
    assert_eq!(report.tally.first, [(3, "failed with code 7".into())]);
    let tries = fake.seen.tries.lock().unwrap();
    assert_eq!([1, 2, 3, 4].map(|number: u64| tries[&number.to_string()]), [1, 3, 3, 1]);
    assert_eq!(map.out(), outputs(1..=4));
    assert_eq!(map.log()[2], (3, 7, "failed with code 7".into()));
}

#[test]
fn after_a_failure_nothing_more_begins_or_what_runs_is_ended() {
    let fails = |text: &str, _: usize| if text == "5" { Does::End(failed(9)) } else { Does::End(completed()) };
    let mut map = Map { halt: Halt::Soon, at_once: 3, ..Map::numbers(1000) };
    let fake = Fake::new(fails);
    let report = map.run(&fake);
    assert_eq!((report.over, report.tally.first_exit), (Over::Halted, Some(9)));
    assert!(fake.begun() < 10 && report.tally.ended == 0, "{report:?}");
    assert_eq!(map.log().len() as u64, report.tally.done());

    let hangs = move |text: &str, tried| if text == "3" || text == "4" { Does::Hang } else { fails(text, tried) };
    let mut map = Map { halt: Halt::Now, at_once: 3, ..Map::numbers(1000) };
    let report = map.run(&Fake::new(hangs));
    assert_eq!((report.over, report.tally.ended), (Over::Halted, 2));
    assert_eq!(map.log().len() as u64, report.tally.done(), "what was ended is done again");
}

#[test]
fn a_stop_prints_what_has_a_result_with_gaps_and_the_rest_is_done_again() {
    let fake = Fake::new(|text, _| if text == "1" || text == "4" { Does::Hang } else { Does::End(completed()) });
    let mut map = Map { at_once: 2, ..Map::numbers(8) };
    // The first two that hang take all the room there is.
    let report = map.run_until(&fake, async {
        let seen = Arc::clone(&fake.seen);
        let _ = seen.begun.subscribe().wait_for(|begun| *begun >= 4).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!((report.over, report.tally.succeeded, report.tally.ended), (Over::Stopped(StopReason::Interrupt), 2, 2));
    assert_eq!(map.out(), outputs(2..=3));
    let mut numbers: Vec<_> = map.log().iter().map(|line| line.0).collect();
    assert_eq!(numbers, [2, 3]);

    map.resume = Resume::Done;
    let fake = Fake::new(|_, _| Does::End(completed()));
    let report = map.run(&fake);
    assert_eq!((report.tally.succeeded, report.tally.passed, report.tally.total), (6, 2, Some(8)));
    assert_eq!(map.out(), "<1><4><5><6><7><8>");
    numbers = map.log().iter().map(|line| line.0).collect();
    assert_eq!(numbers, [2, 3, 1, 4, 5, 6, 7, 8]);
}

#[test]
fn an_input_that_breaks_off_ends_it_after_what_came_before() {
    let mut map = Map { cut: Cut::Json, ..Map::of("1 [2] {3} 4") };
    let report = map.run(&Fake::new(|_, _| Does::End(completed())));
    assert_eq!((report.over, report.tally.succeeded), (Over::Broken, 2));
    assert!(matches!(report.trouble, Some(Trouble::Input(_))));
    assert_eq!(map.out(), "<1><[2]>");
}

#[test]
fn what_is_no_task_fails_alone() {
    let mut map = Map { arguments: vec!["{}".into()], ..Map::of("a\n\0\nb\n") };
    let fake = Fake::new(|_, _| Does::End(completed()));
    let report = map.run(&fake);
    assert_eq!((report.tally.succeeded, report.tally.failed, fake.begun()), (2, 1, 2));
    assert_eq!(map.out(), "<a><b>");
    assert_eq!(map.log()[1].1, 126);
}

#[test]
fn where_the_first_worker_is_refused_nothing_more_is_tried() {
    let refused = || Outcome::Ended(Verdict::Refused { reason: "no wall".into() });
    let fake = Fake::new(move |_, _| Does::End(refused()));
    let report = Map { at_once: 1, tries: 5, ..Map::numbers(100) }.run(&fake);
    assert_eq!((report.over, fake.begun()), (Over::Refused, 1));
    assert_eq!(report.trouble.unwrap().to_string(), "refused: no wall");
    let fake = Fake::new(|_, _| Does::End(Outcome::Closed("gone".into())));
    let report = Map { at_once: 1, ..Map::numbers(100) }.run(&fake);
    assert_eq!((report.over, fake.begun()), (Over::Failed, 1));
}

#[test]
fn a_reader_that_has_gone_ends_it() {
    let (reads, out) = rustix::pipe::pipe().unwrap();
    drop(reads);
    let fake = Fake::new(|text, _| if text == "5" { Does::Hang } else { Does::End(completed()) });
    let report = Map { out: Some(out), ..Map::numbers(100_000) }.run(&fake);
    assert_eq!(report.over, Over::OutputClosed);
    assert!(fake.begun() < 100_000);
}

#[test]
fn a_slot_is_that_of_no_other_task_that_runs() {
    let used: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&used);
    let fake = Fake::new(move |text, _| {
        noted.lock().unwrap().push(text.to_owned());
        Does::End(completed())
    });
    let arguments = vec!["{%}".into(), "{#}".into()];
    let mut map = Map { at_once: 3, slots: Some(3), arguments, ..Map::numbers(50) };
    assert_eq!(map.run(&fake).tally.succeeded, 50);
    let used = used.lock().unwrap();
    let slots: Vec<&str> = used.iter().map(|text| text.split(' ').next().unwrap()).collect();
    assert!(slots.iter().all(|slot| ["1", "2", "3"].contains(slot)), "{slots:?}");
}

#[test]
fn a_handlers_large_answer_is_a_line_as_well() {
    let large = "x".repeat(500_000);
    let body = sandhog_ipc::json::text(&large).unwrap();
    let fake = Fake::new(move |_, _| Does::End(Outcome::Answer(Message { format: Format::Value, body: body.clone() })));
    let mut map = Map::of("a\nb\n");
    let (mut order, outputs) = map.order();
    order.of = Of::Handler(Answers { raw_text: true, raw_bytes: false });
    order.reading.recipe.of = For::Handler { bytes: false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_stop, stops) = watch::channel(None);
    let report = runtime.block_on(drive(order, outputs, fake, stops, Arc::new(Nobody)));
    assert_eq!(report.tally.succeeded, 2);
    assert_eq!(map.out(), format!("{large}\n{large}\n"));
}

#[test]
fn an_order_for_nothing_is_done_at_once() {
    let report = Map::of("").run(&Fake::new(|_, _| Does::End(completed())));
    assert_eq!((report.over, report.tally.total, report.tally.done()), (Over::Done, Some(0), 0));
}
