//! Waiting until jobs are ready: what the daemon tells of them, and when that is enough.

use super::client::{Client, query};
use super::embedded::Failure;
use super::render::problem::Problem;
use super::render::progress::Progress;
use sandhog_protocol::control::{Change, ChangeKind, Event, EventKind, Instance, Phase};
use sandhog_protocol::exit_code;
use sandhog_protocol::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvError, channel};
use std::thread::Builder;

/// What became of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub ready: usize,
    /// Why others are not: a sentence each.
    pub problems: Vec<String>,
}

/// The number of the last event so far: what happens after it, [`wait`] gets to know.
pub(super) fn last_event(client: &mut Client) -> Result<u64, Failure> {
    let mut number = 0;
    client.lines(&query("/v1/events", &[("last", "1")]), &mut |event: Event| {
        number = event.number;
        ControlFlow::Continue(())
    })?;
    Ok(number)
}

/// Waits until each of the instances is ready or has failed. `changes` is what was done to their jobs, after the event
/// `since`.
pub(super) fn wait(since: u64, changes: &[Change], instances: &[Instance]) -> Result<Outcome, Failure> {
    let mut awaited = Awaited::new(since, changes, instances);
    if awaited.is_over() {
        return Ok(awaited.end());
    }
    let line = Progress::start(&awaited.text());
    let (events, mut asks) = (listen(since)?, Client::connect()?);
    while !awaited.is_over() {
        line.say(&awaited.text());
        match events.recv() {
            Ok(Ok(event)) => advance(&mut awaited, &mut asks, &event)?,
            Ok(Err(failure)) => return Err(failure),
            Err(RecvError) => return Err(gone()),
        }
    }
    Ok(awaited.end())
}

/// Events after `since`. The thread waits for them while this one asks about them; it ends with the command, or when
/// nobody wants them any more.
fn listen(since: u64) -> Result<Receiver<Result<Event, Failure>>, Failure> {
    let mut client = Client::connect()?;
    let number = since.to_string();
    let path = query("/v1/events", &[("since", number.as_str()), ("last", "1"), ("follow", "true")]);
    let (tell, events) = channel();
    let listen = move || {
        let ended = client.lines(&path, &mut |event: Event| match tell.send(Ok(event)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
        if let Err(failure) = ended {
            // Where nobody waits any more, it is no loss.
            let _ = tell.send(Err(failure));
        }
    };
    Builder::new().name("events".into()).spawn(listen).map_err(|error| Failure::of(&error))?;
    Ok(events)
}

fn gone() -> Failure {
    let problem = Problem::new("the daemon ended before all were ready");
    Failure { problem: problem.with_hint("sandhog ps says how they are"), code: exit_code::SANDHOG_FAILED }
}

fn advance(awaited: &mut Awaited, asks: &mut Client, event: &Event) -> Result<(), Failure> {
    let path = match awaited.hear(event) {
        Next::Wait => return Ok(()),
        Next::Look(id) => query("/v1/instances", &[("select", id.to_string().as_str())]),
        Next::LookAtAll => "/v1/instances".to_owned(),
    };
    // One that has been deleted meanwhile is not found: then there is nothing to wait for.
    let is_one = event.kind == EventKind::Deleted;
    match asks.get::<Vec<Instance>>(&path) {
        Ok(instances) => awaited.see(&instances),
        Err(_) if is_one => awaited.see_nothing_of(event.id),
        Err(failure) => return Err(failure),
    }
    Ok(())
}

/// What is still to be known before an event is understood.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Wait,
    /// How this one is.
    Look(u64),
    LookAtAll,
}

/// Those that are not ready yet.
struct Awaited {
    total: usize,
    pending: BTreeMap<u64, Pending>,
    /// How many of them do not wait for others.
    active: usize,
    heard: u64,
    outcome: Outcome,
}

struct Pending {
    job: String,
    name: String,
    phase: Phase,
    /// Its old attempt runs; a new one is to take its place.
    is_reloaded: bool,
}

/// How an instance stands.
enum Standing {
    Ready,
    Under,
    Failed(String),
}

impl Awaited {
    fn new(since: u64, changes: &[Change], instances: &[Instance]) -> Self {
        let deleted = changes.iter().filter(|change| change.change == ChangeKind::Delete);
        let deleted: BTreeSet<_> = deleted.map(|change| &change.job).collect();
        let concerned = instances.iter().filter(|instance| !deleted.contains(&instance.job));
        let pending = concerned.map(|instance| (instance.id, Pending::new(instance, instance.reloading)));
        let pending: BTreeMap<_, _> = pending.collect();
        let active = pending.values().filter(|pending| pending.is_active()).count();
        let mut awaited = Self { total: pending.len(), pending, active, heard: since, outcome: Outcome::default() };
        awaited.see(instances);
        awaited
    }

    fn is_over(&self) -> bool {
        self.pending.is_empty() || (self.active == 0 && !self.outcome.problems.is_empty())
    }

    /// What came of it; those that still wait for others wait for one that failed.
    fn end(mut self) -> Outcome {
        let waiting = std::mem::take(&mut self.pending);
        let sentence = |pending: Pending| format!("{}: waits for a job that is not ready", pending.name);
        self.outcome.problems.extend(waiting.into_values().map(sentence));
        self.outcome
    }

    fn text(&self) -> String {
        const NAMED: usize = 3;
        let names: Vec<_> = self.pending.values().take(NAMED).map(|pending| pending.name.as_str()).collect();
        let more = if self.pending.len() > NAMED { ", …" } else { "" };
        format!("{} of {} ready; waiting for {}{more}", self.outcome.ready, self.total, names.join(", "))
    }

    fn hear(&mut self, event: &Event) -> Next {
        if event.number <= self.heard {
            return Next::Wait;
        }
        let missed = event.number > self.heard + 1;
        self.heard = event.number;
        if missed {
            return Next::LookAtAll;
        }
        match event.id {
            Some(id) if self.pending.contains_key(&id) => self.hear_of(id, event),
            Some(_) | None => Next::Wait,
        }
    }

    fn hear_of(&mut self, id: u64, event: &Event) -> Next {
        match event.kind {
            EventKind::Ready if !self.pending.get(&id).is_some_and(|pending| pending.is_reloaded) => {
                self.settle(id, None)
            }
            EventKind::Reloaded => self.settle(id, None),
            EventKind::ReloadFailed => self.reload_failed(id, &event.text),
            // It is tried again, perhaps for ever: nobody waits for that. What runs while it is reloaded may be unhealthy.
            EventKind::Unhealthy if !self.pending.get(&id).is_some_and(|pending| pending.is_reloaded) => {
                self.settle(id, Some(event.text.clone()));
            }
            EventKind::Starting => self.set_phase(id, Phase::Starting),
            EventKind::Failed | EventKind::Ended | EventKind::Stopped | EventKind::Deleted | EventKind::Skipped => {
                return Next::Look(id);
            }
            // What a newer daemon says may be the end of it.
            EventKind::Unknown(_) => return Next::Look(id),
            // Whatever else happens to it, it is neither ready nor lost by that.
            EventKind::Ready
            | EventKind::Unhealthy
            | EventKind::Created
            | EventKind::Backoff
            | EventKind::Stopping
            | EventKind::Finished
            | EventKind::Recycled
            | EventKind::Retiring
            | EventKind::Message
            | EventKind::Disconnected
            | EventKind::Deadlock
            | EventKind::Listening
            | EventKind::Closed
            | EventKind::RequestFailed
            | EventKind::Problem
            | EventKind::DaemonStarted
            | EventKind::DaemonStopping => {}
        }
        Next::Wait
    }

    /// The reload of a job is over with the first instance that it fails for.
    fn reload_failed(&mut self, id: u64, text: &str) {
        let Some(job) = self.pending.get(&id).map(|pending| pending.job.clone()) else { return };
        self.settle(id, Some(text.to_owned()));
        let others: Vec<u64> = self.pending.iter().filter(|(_, other)| other.job == job).map(|(id, _)| *id).collect();
        for other in others {
            self.settle(other, Some("stays as it was, for the reload is over".into()));
        }
    }

    fn see(&mut self, instances: &[Instance]) {
        for instance in instances {
            let Some(pending) = self.pending.get(&instance.id) else { continue };
            let is_reloaded = pending.is_reloaded;
            match standing(instance) {
                Standing::Ready if is_reloaded => {}
                Standing::Ready => self.settle(instance.id, None),
                Standing::Failed(reason) => self.settle(instance.id, Some(reason)),
                Standing::Under => self.set_phase(instance.id, instance.phase),
            }
        }
    }

    fn see_nothing_of(&mut self, id: Option<u64>) {
        if let Some(id) = id {
            self.settle(id, Some("was deleted meanwhile".into()));
        }
    }

    fn set_phase(&mut self, id: u64, phase: Phase) {
        if let Some(pending) = self.pending.get_mut(&id) {
            self.active -= usize::from(pending.is_active());
            pending.phase = phase;
            self.active += usize::from(pending.is_active());
        }
    }

    /// It is ready, or it has a problem.
    fn settle(&mut self, id: u64, problem: Option<String>) {
        let Some(pending) = self.pending.remove(&id) else { return };
        self.active -= usize::from(pending.is_active());
        match problem {
            Some(reason) => self.outcome.problems.push(format!("{}: {reason}", pending.name)),
            None => self.outcome.ready += 1,
        }
    }
}

impl Pending {
    fn new(instance: &Instance, is_changed: bool) -> Self {
        Self {
            job: instance.job.clone(),
            name: format!("{}/{}", instance.job, instance.instance),
            phase: instance.phase,
            is_reloaded: is_changed && instance.phase == Phase::Running,
        }
    }

    fn is_active(&self) -> bool {
        self.phase != Phase::Waiting
    }
}

fn standing(instance: &Instance) -> Standing {
    let reason = |text: &str| instance.reason.clone().unwrap_or_else(|| text.to_owned());
    match instance.phase {
        Phase::Running | Phase::Scheduled => Standing::Ready,
        Phase::Starting | Phase::Stopping | Phase::Waiting | Phase::Backoff | Phase::Unknown(_) => Standing::Under,
        Phase::Stopped => Standing::Failed(reason("somebody has stopped it")),
        Phase::Failed => Standing::Failed(reason("it has failed")),
        Phase::Idle => match &instance.last {
            Some(last) if !matches!(last.verdict, Verdict::Completed { .. }) => Standing::Failed(last.text.clone()),
            Some(_) | None => Standing::Ready,
        },
    }
}

#[cfg(test)]
mod tests;
