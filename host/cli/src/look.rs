//! The verbs that only look: `ps`, `show`, `logs`, `events`.

use super::args::{EventsArgs, LogsArgs, ObjectsArgs, PsArgs, ShowArgs};
use super::client::{Client, Over, path, query};
use super::concerns::Concerns;
use super::embedded::Failure;
use super::ending::report;
use super::follow::{Gap, Shown, follow};
use super::pools::{self, Asked};
use super::render::{self, Paper};
use sandhog_protocol::control::{Daemon, Event, Instance, Job, JobSummary, LogLine, SharedObject};
use sandhog_protocol::exit_code;
use sandhog_sys::clock;
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::ControlFlow;

/// How many events a daemon keeps: as many are looked through where only some are wanted.
const EVENTS_KEPT: u64 = 10_000;

/// The most lines of the past that a daemon answers with: after a gap, what was missed is looked for among them.
const LINES_KEPT: u64 = 10_000;

const NO_DAEMON: &str = "\
no daemon runs, and so no job; what was up is up again with the next one
  sandhog up               the jobs of ./sandhog.toml
  sandhog start FILE.wasm  one job
  sandhog daemon           those that were up
";

/// `ps`. Where no daemon runs there is no job, which is no failure.
pub(super) fn ps(args: &PsArgs) -> u8 {
    let pools = if args.all { pools::ask() } else { Ok(Vec::new()) };
    report(pools.and_then(|pools| list(&args.select, pools, args.json)))
}

/// What `ps` prints of these.
pub(super) fn try_ps(select: &[String], json: bool) -> Result<u8, Failure> {
    list(select, Vec::new(), json)
}

/// The daemon's jobs, and these commands.
fn list(select: &[String], pools: Vec<Asked>, json: bool) -> Result<u8, Failure> {
    let known = match Client::try_connect()? {
        Some(mut client) => {
            Some((client.get::<Vec<Instance>>(&instances_of(select))?, without_instance(&mut client, select)?))
        }
        None => None,
    };
    if json {
        let (instances, empty) = known.unwrap_or_default();
        let all = instances.into_iter().map(|one| Row::Instance(Box::new(one)));
        let all = all.chain(empty.into_iter().map(Row::of_none));
        return Ok(render::answer_json(&all.chain(pools.into_iter().map(Row::Pool)).collect::<Vec<_>>()));
    }
    let jobs = match known {
        Some((instances, empty)) => render::ps::text(&instances, &empty, clock::now_ms(), Paper::of_stdout()),
        None => NO_DAEMON.to_owned(),
    };
    let between = if pools.is_empty() { "" } else { "\n" };
    Ok(render::answer([&jobs, between, &render::pools::text(&pools, clock::now_ms())].concat().as_bytes()))
}

/// One of what `ps --json` lists.
#[derive(Serialize)]
#[serde(untagged)]
enum Row {
    Instance(Box<Instance>),
    Pool(Asked),
    /// A job that has no instance; with keys that an instance has, too.
    None {
        id: Option<u64>,
        job: String,
        group: String,
        instance: Option<u32>,
        phase: &'static str,
    },
}

impl Row {
    fn of_none(job: JobSummary) -> Self {
        Self::None { id: None, job: job.job, group: job.group, instance: None, phase: render::ps::NO_INSTANCE }
    }
}

/// The jobs among those that are selected that have no instance.
pub(super) fn without_instance(client: &mut Client, select: &[String]) -> Result<Vec<JobSummary>, Failure> {
    let jobs: Vec<JobSummary> = client.get(&query("/v1/jobs", &selects(select)))?;
    Ok(jobs.into_iter().filter(|job| job.instances == 0).collect())
}

/// The path of those instances.
pub(super) fn instances_of(select: &[String]) -> String {
    query("/v1/instances", &selects(select))
}

fn selects(select: &[String]) -> Vec<(&str, &str)> {
    select.iter().map(|word| ("select", word.as_str())).collect()
}

/// `objects`. Where no daemon runs there is none, as for [`ps`].
pub(super) fn objects(args: &ObjectsArgs) -> u8 {
    report(try_objects(args.json))
}

fn try_objects(json: bool) -> Result<u8, Failure> {
    let objects: Vec<SharedObject> = match Client::try_connect()? {
        Some(mut client) => client.get("/v1/objects")?,
        None if json => Vec::new(),
        None => return Ok(render::answer(NO_DAEMON.as_bytes())),
    };
    if json {
        return Ok(render::answer_json(&objects));
    }
    Ok(render::answer(render::objects::text(&objects, clock::now_ms()).as_bytes()))
}

/// `show`.
pub(super) fn show(args: &ShowArgs) -> u8 {
    report(try_show(args))
}

fn try_show(args: &ShowArgs) -> Result<u8, Failure> {
    let job: Job = Client::connect()?.get(&path(&["v1", "jobs", &args.job]))?;
    if args.json {
        return Ok(render::answer_json(&job));
    }
    Ok(render::answer(render::show::text(&job, clock::now_ms(), Paper::of_stdout()).as_bytes()))
}

/// `logs`.
pub(super) fn logs(args: &LogsArgs) -> u8 {
    report(try_logs(args))
}

fn try_logs(args: &LogsArgs) -> Result<u8, Failure> {
    let print = RefCell::new(Printer::new(args.json));
    let show = |line: &LogLine| print.borrow_mut().print(line, render::lines::log);
    let client = Client::connect()?;
    if args.follow {
        follow_logs(client, args, show)?;
    } else {
        let mut client = client;
        client.lines(&logs_of(args, args.lines, false), &mut |line: LogLine| show(&line))?;
    }
    Ok(print.into_inner().end())
}

fn logs_of(args: &LogsArgs, lines: u64, follow: bool) -> String {
    let lines = lines.to_string();
    let mut pairs = selects(&args.select);
    pairs.push(("lines", lines.as_str()));
    let flags = [("follow", follow), ("access", args.access)];
    pairs.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| (key, "true")));
    query("/v1/logs", &pairs)
}

/// The last lines and those that come; after a gap, those that came meanwhile.
fn follow_logs(client: Client, args: &LogsArgs, show: impl Fn(&LogLine) -> ControlFlow<()>) -> Result<(), Failure> {
    let mut shown = Shown::nothing(clock::now_ms());
    follow(client, |client, gap| {
        let resumes = gap.is_open();
        let path = logs_of(args, if resumes { LINES_KEPT } else { args.lines }, true);
        let (mut past, left) = (Vec::new(), Cell::new(0));
        let mut begins = |count| {
            left.set(if resumes { count } else { 0 });
            gap.ends();
        };
        let show_new = |line: &LogLine, shown: &mut Shown| {
            shown.add(line);
            show(line)
        };
        client.follow(&path, &mut begins, &mut |line: LogLine| {
            let Some(still) = left.get().checked_sub(1) else { return show_new(&line, &mut shown) };
            left.set(still);
            past.push(line);
            if still > 0 {
                return ControlFlow::Continue(());
            }
            let new = shown.not_yet(std::mem::take(&mut past));
            new.iter().try_for_each(|line| show_new(line, &mut shown))
        })
    })
}

/// `events`.
pub(super) fn events(args: &EventsArgs) -> u8 {
    report(try_events(args))
}

fn try_events(args: &EventsArgs) -> Result<u8, Failure> {
    let mut client = Client::connect()?;
    // First, so that events of this daemon are never taken for another one's.
    let daemon = client.get(DAEMON)?;
    let concerns = concerns_of(&mut client, &args.select)?;
    let mut print = Printer::new(args.json);
    let (last, number) = past(&mut client, &concerns, args.last)?;
    if last.iter().any(|event| print.print(event, render::lines::event).is_break()) || !args.follow {
        return Ok(print.end());
    }
    let mut position = Position { daemon, number, concerns };
    follow(client, |client, gap| {
        if gap.is_open()
            && let Err(failure) = position.find_in(client, &args.select)
        {
            return if failure.code == exit_code::SANDHOG_FAILED {
                Ok(Over::Unavailable(failure))
            } else {
                Err(failure)
            };
        }
        position.follow(client, gap, &mut |event| print.print(event, render::lines::event))
    })?;
    Ok(print.end())
}

fn concerns_of(client: &mut Client, select: &[String]) -> Result<Concerns, Failure> {
    Ok(match select {
        [] => Concerns::All,
        select => {
            let instances = client.get(&instances_of(select))?;
            Concerns::of(select, instances, client.get(&query("/v1/jobs", &selects(select)))?)
        }
    })
}

const DAEMON: &str = "/v1/daemon";

/// Up to where a daemon's events were shown, and which of those that follow are to be.
struct Position {
    daemon: Daemon,
    number: u64,
    concerns: Concerns,
}

impl Position {
    /// Another daemon counts anew: all of its events are new.
    fn find_in(&mut self, client: &mut Client, select: &[String]) -> Result<(), Failure> {
        let now: Daemon = client.get(DAEMON)?;
        let is_same = (now.pid, now.started_ms) == (self.daemon.pid, self.daemon.started_ms);
        if !is_same {
            (self.daemon, self.number) = (now, 0);
            self.concerns = concerns_of(client, select)?;
        }
        Ok(())
    }

    fn follow(
        &mut self,
        client: &mut Client,
        gap: &mut Gap,
        show: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Over, Failure> {
        let (since, last) = (self.number.to_string(), EVENTS_KEPT.to_string());
        let path = query("/v1/events", &[("since", since.as_str()), ("last", last.as_str()), ("follow", "true")]);
        client.follow(&path, &mut |_| gap.ends(), &mut |event: Event| {
            if event.number <= self.number {
                return ControlFlow::Continue(());
            }
            self.number = event.number;
            if self.concerns.has(&event) { show(&event) } else { ControlFlow::Continue(()) }
        })
    }
}

/// The last events that concern us, and the number of the last one at all.
fn past(client: &mut Client, concerns: &Concerns, count: u64) -> Result<(VecDeque<Event>, u64), Failure> {
    let count = usize::try_from(count.min(EVENTS_KEPT)).unwrap_or_default();
    // One at least, for its number.
    let asked = if matches!(concerns, Concerns::All) { count.max(1) as u64 } else { EVENTS_KEPT };
    let (mut last, mut number) = (VecDeque::new(), 0);
    client.lines(&query("/v1/events", &[("last", asked.to_string().as_str())]), &mut |event: Event| {
        number = event.number;
        if concerns.has(&event) {
            last.push_back(event);
            last.drain(..last.len().saturating_sub(count));
        }
        ControlFlow::Continue(())
    })?;
    Ok((last, number))
}

/// Prints what comes, one at a time, until nobody reads it any more.
struct Printer {
    paper: Paper,
    json: bool,
    problem: Option<io::Error>,
}

impl Printer {
    fn new(json: bool) -> Self {
        Self { paper: Paper::of_stdout(), json, problem: None }
    }

    fn print<T: Serialize>(&mut self, value: &T, show: impl Fn(&T, u64, Paper) -> String) -> ControlFlow<()> {
        let text = match serde_json::to_string(value) {
            Ok(line) if self.json => line + "\n",
            Ok(_) => show(value, clock::now_ms(), self.paper),
            Err(error) => return self.stop(error.into()),
        };
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => self.stop(error),
        }
    }

    fn stop(&mut self, error: io::Error) -> ControlFlow<()> {
        self.problem = Some(error);
        ControlFlow::Break(())
    }

    /// The exit code. A reader that has gone away is no error.
    fn end(self) -> u8 {
        match self.problem {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => render::stdout_failed(&error),
            Some(_) | None => exit_code::SUCCESS,
        }
    }
}
