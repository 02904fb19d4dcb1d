//! A daemon of a test's own, with a state directory and a socket of its own, and the verbs that speak to it.
//!
//! Tests wait for what the daemon tells, never for time to pass: [`Daemon::until`] has all events from the daemon's start on
//! and wakes with each new one.
//!
//! Must not: know more of the daemon than its socket and its verbs tell.

use crate::command::Command;
use crate::folder::Folder;
use crate::http::{Answer, Client, Coming, head};
use crate::installed::{module, share_secret};
use crate::outcome::Outcome;
use crate::process;
use crate::running::Running;
use crate::site::Site;
use crate::waiting::DEADLINE;
use rustix::process::Signal;
use sandhog_protocol::control::{Event, Instance, Phase};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A daemon that runs. Dropping it asks it to stop, and ends it where it does not.
pub struct Daemon {
    running: Option<Running>,
    /// Its directories, and the folder of its manifest.
    site: Site,
}

impl Daemon {
    /// Starts one and waits until it is ready.
    pub fn start() -> Self {
        Self::start_in(Folder::new())
    }

    /// The same, with what lies in these directories already.
    pub fn start_in(folder: Folder) -> Self {
        Self::start_with(folder, |command| command)
    }

    /// The same, by another program: see [`Command::under`].
    pub fn start_under(words: &[&str]) -> Self {
        Self::start_with(Folder::new(), |command| command.under(words))
    }

    /// The same, by executables that were taken over: see [`Command::taken_over`].
    pub fn start_taken_over() -> Self {
        Self::start_with(Folder::new(), Command::taken_over)
    }

    fn start_with(folder: Folder, how: impl FnOnce(Command) -> Command) -> Self {
        share_secret(&folder.join("state"));
        let mut daemon = Self { running: None, site: Site(folder) };
        daemon.become_ready(how(daemon.command(&["daemon"])));
        daemon
    }

    /// Starts the next one, behind one that was killed or has ended.
    pub fn start_again(&mut self) {
        self.become_ready(self.command(&["daemon"]));
    }

    fn become_ready(&mut self, daemon: Command) {
        let running = daemon.start();
        running.stderr.until_has("sandhog: ready, at ");
        self.running = Some(running);
    }

    /// `sandhog` with these words and this daemon's directories.
    pub fn command(&self, words: &[&str]) -> Command {
        self.site.command(words)
    }

    /// A verb, up to its end.
    pub fn run(&self, words: &[&str]) -> Outcome {
        let running = self.command(words).start();
        assert!(running.ends_within(DEADLINE), "{words:?} does not end: {}", self.story());
        running.wait()
    }

    /// A verb that goes well.
    pub fn well(&self, words: &[&str]) -> Outcome {
        let outcome = self.run(words);
        assert_eq!(outcome.code, 0, "{words:?}: {outcome:#?}\n{}", self.story());
        outcome
    }

    /// What a verb that goes well says with `--json`.
    pub fn json(&self, words: &[&str]) -> Value {
        let outcome = self.well(&[words, &["--json"]].concat());
        serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {outcome:#?}"))
    }

    /// The same of a verb that prints a JSON object a line.
    pub fn json_lines(&self, words: &[&str]) -> Vec<Value> {
        let outcome = self.well(&[words, &["--json"]].concat());
        outcome.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `sandhog start` of a guest (see [`crate::guest`]) under this name, with further flags.
    pub fn start_job(&self, name: &str, of: &str, flags: &[&str]) -> Outcome {
        self.well(&[&["start", module(of).as_str(), "--name", name], flags].concat())
    }

    /// `sandhog up` of this manifest.
    pub fn up(&self, manifest: &str) -> Outcome {
        self.write(manifest);
        self.run(&["up"])
    }

    /// The same, which goes well.
    pub fn up_well(&self, manifest: &str) -> Outcome {
        self.write(manifest);
        self.well(&["up"])
    }

    /// The same, not waited for until all is ready.
    pub fn up_and_on(&self, manifest: &str) -> Outcome {
        self.write(manifest);
        self.well(&["up", "--no-wait"])
    }

    fn write(&self, manifest: &str) {
        self.site.0.file("sandhog.toml", manifest);
    }

    /// Has an instance of `does_as_told` do something, and waits until it has.
    pub fn tell(&self, name: &str, what: &str) {
        let answer = self.json(&["send", name, &Value::from(what).to_string(), "--wait", "30s"]);
        let did = Value::from(format!("did {what}")).to_string();
        assert_eq!(answer[0]["message"], did, "{name}: {answer}");
    }

    /// The same of what it will not live to tell.
    pub fn tell_and_on(&self, name: &str, what: &str) {
        self.well(&["send", name, &Value::from(what).to_string()]);
    }

    /// All instances, in the order of their ids.
    pub fn instances(&self) -> Vec<Instance> {
        serde_json::from_str(&self.get("/v1/instances").expect(200)).unwrap()
    }

    /// One of them: `web` for its first instance, or `web/2`.
    pub fn instance(&self, name: &str) -> Instance {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {:#?}", self.instances()))
    }

    /// The same; `None` where there is none.
    pub fn find(&self, name: &str) -> Option<Instance> {
        let (job, number) = name.split_once('/').unwrap_or((name, "0"));
        self.instances().into_iter().find(|it| it.job == job && it.instance.to_string() == number)
    }

    /// Waits until an instance is in this phase, and gives it.
    pub fn until_phase(&self, name: &str, phase: Phase) -> Instance {
        self.until_instance(&format!("{name} being {phase:?}"), name, |instance| instance.phase == phase)
    }

    /// Waits until an instance is as it should be, and gives it. It is looked at whenever something happens.
    pub fn until_instance(&self, what: &str, name: &str, is: impl Fn(&Instance) -> bool) -> Instance {
        self.until(what, |_| self.find(name).filter(|instance| is(instance)))
    }

    /// All that has happened since the daemon's start.
    pub fn events(&self) -> Vec<Event> {
        self.get("/v1/events?last=10000").expect(200).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What has happened to an instance: `web` or `web/2`; see [`Self::instance`].
    pub fn events_of(&self, name: &str) -> Vec<Event> {
        self.events().into_iter().filter(|event| concerns(event, name)).collect()
    }

    /// How many workers run below it.
    pub fn workers(&self) -> usize {
        process::named_below(self.pid(), "sandhog-worker").len()
    }

    /// Waits until all that has happened since the daemon's start has a value.
    pub fn until<T>(&self, what: &str, mut has: impl FnMut(&[Event]) -> Option<T>) -> T {
        let from = Instant::now();
        let mut lines = self.follow("/v1/events?last=10000&follow=true");
        let mut events = Vec::new();
        // The last event that there is is waited for, so that what it leads to can be seen.
        let there = self.events().len();
        loop {
            if events.len() >= there
                && let Some(value) = has(&events)
            {
                return value;
            }
            let line = lines.next_line().unwrap_or_default();
            if line.is_empty() || from.elapsed() > DEADLINE {
                panic!("waited for {what} in vain: {}", self.story());
            }
            events.push(serde_json::from_str(&line).unwrap());
        }
    }

    /// Waits for the `count`th event of this kind of an instance, and gives it.
    pub fn until_event(&self, name: &str, kind: &str, count: usize) -> Event {
        self.until(&format!("{name} {kind} {count} times"), |events| {
            let mut found = events.iter().filter(|event| concerns(event, name) && event.kind.as_str() == kind);
            found.nth(count - 1).cloned()
        })
    }

    /// How many events of this kind an instance has had.
    pub fn count(&self, name: &str, kind: &str) -> usize {
        self.events_of(name).iter().filter(|event| event.kind.as_str() == kind).count()
    }

    /// What has happened and how all are, for whoever reads of a failure.
    pub fn story(&self) -> String {
        let events = self.run(&["events", "-n", "100"]);
        let (ps, logs) = (self.run(&["ps"]), self.run(&["logs", "-n", "50"]));
        let heard = self.running.as_ref().map(|running| running.stderr.so_far()).unwrap_or_default();
        let heard = String::from_utf8_lossy(&heard).into_owned();
        format!("\n{}\n{}\n{}\nthe daemon said: {heard}", events.text(), ps.text(), logs.text())
    }

    /// Text that an instance has written to its log, lines of one attempt after another, without the daemon's own.
    pub fn log_of(&self, name: &str) -> Vec<String> {
        let lines = self.json_lines(&["logs", name, "-n", "10000"]);
        let own = lines.iter().filter(|line| line["stream"] != "sandhog");
        own.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    /// `GET PATH` of its control socket.
    pub fn get(&self, path: &str) -> Answer {
        get(&self.socket(), path)
    }

    /// `POST PATH` with a body of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        post(&self.socket(), path, body)
    }

    /// `GET PATH`: lines that go on coming.
    pub fn follow(&self, path: &str) -> Coming {
        let mut client = connect(&self.socket());
        client.send(head("GET", path, &CLOSE, 0)).unwrap();
        client.follow(200).unwrap_or_else(|broken| panic!("{path}: {broken}"))
    }

    /// The path of its control socket.
    pub fn socket(&self) -> PathBuf {
        self.path("runtime/control.sock")
    }

    /// A path in the test's own directory, beside the manifest.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.site.0.join(name)
    }

    /// The folder of its manifest and of its directories.
    pub fn scratch(&self) -> &Folder {
        &self.site.0
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().pid
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.running.as_ref().unwrap().signal(signal);
    }

    /// Asks it to stop and waits for its end. [`Self::start_again`] starts the next one.
    pub fn stop(&mut self) -> Outcome {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Outcome {
        self.running.take().unwrap().wait()
    }

    /// Ends it with SIGKILL. [`Self::start_again`] starts the next one.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The deadline of a wait is what ends it with SIGKILL: [`Running`] does that when it is dropped.
        let Some(running) = self.running.take() else { return };
        if running.has_ended() {
            return;
        }
        running.signal(Signal::TERM);
        if !running.ends_within(DEADLINE) {
            eprintln!("the daemon did not end, and is killed");
        }
    }
}

/// One request a connection.
const CLOSE: [(&str, &str); 2] = [("Connection", "close"), ("Content-Type", "application/json")];

fn connect(socket: &Path) -> Client {
    Client::to_socket(socket).unwrap_or_else(|error| panic!("{socket:?}: {error}"))
}

/// `GET PATH` of the control socket at this path.
pub fn get(socket: &Path, path: &str) -> Answer {
    exchange(socket, "GET", path, "")
}

/// `POST PATH` with a body of JSON, to the control socket at this path.
pub fn post(socket: &Path, path: &str, body: &Value) -> Answer {
    exchange(socket, "POST", path, &body.to_string())
}

fn exchange(socket: &Path, method: &str, path: &str, body: &str) -> Answer {
    let answer = connect(socket).ask(method, path, &CLOSE, body.as_bytes());
    answer.unwrap_or_else(|broken| panic!("{method} {path}: {broken}"))
}

/// The table of a job that is told what to do by these words at first (`tests/guests/src/bin/does_as_told.rs`), with further
/// lines.
pub fn told(name: &str, words: &[&str], lines: &str) -> String {
    let args: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[job.{name}]\nmodule = {:?}\nargs = [{}]\n{lines}\n", module("does_as_told"), args.join(", "))
}

/// What tests have no time for, shortened for all jobs of a manifest; further lines of its beginning go first.
pub fn quick(lines: &str, jobs: &[String]) -> String {
    let defaults = "ready = \"50ms\"\nbackoff.first = \"10ms\"\nbackoff.max = \"50ms\"\n";
    format!("{lines}\n[defaults]\n{defaults}\n{}", jobs.concat())
}

/// Whether an event is one of this instance: `web` for all of a job, or `web/2`.
pub fn concerns(event: &Event, name: &str) -> bool {
    let (job, number) = name.split_once('/').map_or((name, None), |(job, number)| (job, Some(number)));
    event.job.as_deref() == Some(job)
        && number.is_none_or(|number| event.instance.is_some_and(|instance| instance.to_string() == number))
}

/// Kinds of events in their order, for a fact in one line.
pub fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}
