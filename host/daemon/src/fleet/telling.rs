//! What those who watch are told: events, and lines of a job's log in Sandhog's own name.
//!
//! Must not: decide anything.

use super::actor::Daemon;
use super::logs::Origin;
use super::message::{FailedProcess, FailedRequest};
use sandhog_protocol::control::{EndedAttempt, Event, EventKind};
use sandhog_protocol::verdict::{HealthCheck, Verdict};
use sandhog_runtime::objects::Deadlock;
use sandhog_spec::service::raised;
use sandhog_spec::text::escape;
use sandhog_spec::units::{print_about, print_duration};
use sandhog_supervisor::state::{AttemptNumber, InstanceId, Notice};
use sandhog_supervisor::verdict_text;
use sandhog_sys::clock::now_ms;

/// Of a request's target, in a sentence; in bytes.
const SHOWN_TARGET: usize = 200;

impl Daemon {
    pub(super) fn tell(&mut self, id: InstanceId, notice: &Notice) {
        self.touched.insert(id);
        let Some(member) = self.index.members.get_mut(&id) else { return };
        if let Notice::ReloadFailed { reason } = notice {
            member.reload_problem = Some(format!("the reload failed, and what ran before runs on: {reason}"));
            // The reload of the whole job is over.
            let job = member.job.clone();
            self.touched.extend(self.index.entry(&job).iter().flat_map(|entry| entry.instances.values()));
        }
        let Some(member) = self.index.members.get(&id) else { return };
        if matches!(notice, Notice::Unhealthy { check, .. } if *check == HealthCheck::Ready) {
            self.late.insert(id);
        }
        if matches!(notice, Notice::Skipped) {
            self.skipped.insert(id);
        }
        let (kind, text) = describe(notice);
        let text = text + &self.with_raised(id, notice);
        let (attempt, verdict) = match notice {
            Notice::Ended { attempt, verdict } => (Some(*attempt), Some(verdict.clone())),
            Notice::Starting { attempt }
            | Notice::Ready { attempt }
            | Notice::Stopping { attempt }
            | Notice::Recycled { attempt, .. }
            | Notice::Retiring { attempt, .. }
            | Notice::Unhealthy { attempt, .. } => (Some(*attempt), None),
            Notice::Reloaded { new, .. } => (Some(*new), None),
            Notice::Backoff { .. }
            | Notice::Failed { .. }
            | Notice::Stopped
            | Notice::Finished
            | Notice::ReloadFailed { .. }
            | Notice::Skipped => (None, None),
        };
        let running = attempt.and_then(|attempt| self.running.get(&attempt));
        // What has ended is not among those that run any more.
        let ended = || verdict.as_ref().and(member.ends.front()).map(|ended| ended.attempt.clone());
        let attempt = running.map(|running| running.attempt_observer.origin.attempt.clone()).or_else(ended);
        let event = Event {
            instance: Some(member.number),
            id: Some(id),
            attempt: attempt.clone(),
            verdict,
            ..plain_event(Some(member.job.clone()), kind, &text)
        };
        self.events.add(event);
        self.note(id, attempt.unwrap_or_default(), &text);
    }

    /// Of another try: which of its limits are others than its own.
    fn with_raised(&self, id: InstanceId, notice: &Notice) -> String {
        let (Notice::Backoff { raised: now, .. }, Some(service)) = (notice, self.index.service_of(id)) else {
            return String::new();
        };
        let line = |(key, own, now): (_, String, String)| format!(", with {key} {now} instead of {own}");
        raised(&service.rules.limits, now).into_iter().map(line).collect()
    }

    /// The end of an attempt that this daemon did not see.
    pub(super) fn tell_of_end(&mut self, id: InstanceId, ended: &EndedAttempt) {
        let Some(member) = self.index.members.get(&id) else { return };
        let text = format!("has ended: {}", ended.text);
        let event = Event {
            instance: Some(member.number),
            id: Some(id),
            attempt: Some(ended.attempt.clone()),
            verdict: Some(ended.verdict.clone()),
            ..plain_event(Some(member.job.clone()), EventKind::Ended, &text)
        };
        self.events.add(event);
        self.note(id, ended.attempt.clone(), &text);
    }

    /// Sandhog's own word, in the log of the job.
    fn note(&self, id: InstanceId, attempt: String, text: &str) {
        let (Some(member), Some(service)) = (self.index.members.get(&id), self.index.service_of(id)) else { return };
        let origin = Origin { job: member.job.clone(), instance: member.number, attempt };
        self.logs.note(&origin, service.logs, text);
    }

    pub(super) fn heard(&mut self, attempt: AttemptNumber, bytes: usize, message: Option<String>) {
        let text = format!("sent a message of {} to its parent", print_about(bytes as u64));
        self.tell_of_connection(attempt, EventKind::Message, text, message);
    }

    pub(super) fn hung_up(&mut self, attempt: AttemptNumber, reason: String) {
        self.tell_of_connection(attempt, EventKind::Disconnected, reason, None);
    }

    fn tell_of_connection(&mut self, attempt: AttemptNumber, kind: EventKind, text: String, message: Option<String>) {
        let Some(running) = self.running.get(&attempt) else { return };
        let member = self.index.members.get(&running.id);
        let event = Event {
            instance: member.map(|member| member.number),
            id: Some(running.id),
            attempt: Some(running.attempt_observer.origin.attempt.clone()),
            message,
            ..plain_event(member.map(|member| member.job.clone()), kind, &text)
        };
        self.events.add(event);
    }

    /// A request that came to nothing, and why.
    pub(super) fn tell_of_failed_request(&mut self, attempt: AttemptNumber, failed: &FailedRequest) {
        let FailedRequest { origin, number, method, target, verdict } = failed;
        let cut = &target[..target.floor_char_boundary(SHOWN_TARGET)];
        let more = if cut.len() < target.len() { "…" } else { "" };
        let text = format!("request {number} failed: {method} {cut}{more}: {}", verdict_text::brief(verdict));
        self.tell_of_failure(attempt, origin, verdict, &text);
    }

    /// The process of a connection that was not served to its end, and why.
    pub(super) fn tell_of_failed_process(&mut self, attempt: AttemptNumber, failed: &FailedProcess) {
        let FailedProcess { origin, verdict } = failed;
        let text = format!("the process of a connection has ended: {}", verdict_text::brief(verdict));
        self.tell_of_failure(attempt, origin, verdict, &text);
    }

    fn tell_of_failure(&mut self, attempt: AttemptNumber, origin: &Origin, verdict: &Verdict, text: &str) {
        let event = Event {
            instance: Some(origin.instance),
            id: self.running.get(&attempt).map(|running| running.id),
            attempt: Some(origin.attempt.clone()),
            verdict: Some(verdict.clone()),
            ..plain_event(Some(origin.job.clone()), EventKind::RequestFailed, text)
        };
        self.events.add(event);
    }

    /// Those that were too many to be told one by one.
    pub(super) fn tell_of_left_out(&mut self, job: &str) {
        let text = match self.fronts.take_left_out(job) {
            0 => return,
            1 => "1 request more failed".into(),
            count => format!("{count} requests more failed"),
        };
        self.tell_about_job(job, EventKind::RequestFailed, &text);
    }

    /// Once for each circle: those in it would wait for ever.
    pub(super) fn tell_of_deadlock(&mut self, deadlock: &Deadlock) {
        let first = deadlock.0.first();
        let event = Event {
            instance: first.map(|link| link.instance),
            attempt: first.map(|link| link.attempt.clone()),
            ..plain_event(
                first.map(|link| link.job.clone()),
                EventKind::Deadlock,
                &format!("is in a deadlock: {deadlock}"),
            )
        };
        self.events.add(event);
    }

    /// Something that concerns no job.
    pub(super) fn tell_of_itself(&mut self, kind: EventKind, text: &str) {
        self.events.add(plain_event(None, kind, text));
    }

    /// Something that concerns a job as a whole.
    pub(super) fn tell_of_job(&mut self, job: &str, kind: EventKind) {
        self.tell_about_job(job, kind, &format!("is {kind}"));
    }

    pub(super) fn tell_about_job(&mut self, job: &str, kind: EventKind, text: &str) {
        self.events.add(plain_event(Some(job.into()), kind, text));
    }
}

/// What it says is one line, whatever a guest has put into it: who prints it is not to take care.
fn plain_event(job: Option<String>, kind: EventKind, text: &str) -> Event {
    Event {
        number: 0,
        at_ms: now_ms(),
        job,
        instance: None,
        id: None,
        attempt: None,
        kind,
        text: escape(text).into_owned(),
        verdict: None,
        message: None,
    }
}

/// The kind of an event, and its sentence.
fn describe(notice: &Notice) -> (EventKind, String) {
    match notice {
        Notice::Starting { .. } => (EventKind::Starting, "starts".into()),
        Notice::Ready { .. } => (EventKind::Ready, "is ready".into()),
        Notice::Ended { verdict, .. } => (EventKind::Ended, format!("has ended: {}", verdict_text::brief(verdict))),
        Notice::Backoff { pause, .. } => (EventKind::Backoff, format!("restarts in {}", print_duration(*pause))),
        Notice::Failed { reason } => (EventKind::Failed, format!("has failed: {reason}")),
        Notice::Stopping { .. } => (EventKind::Stopping, "is asked to stop".into()),
        Notice::Stopped => (EventKind::Stopped, "has stopped".into()),
        Notice::Finished => (EventKind::Finished, "has finished".into()),
        Notice::Recycled { bytes, .. } => {
            (EventKind::Recycled, format!("uses {} of memory and is replaced", print_about(*bytes)))
        }
        Notice::Retiring { reason, .. } => (EventKind::Retiring, format!("asks to be replaced: {reason}")),
        Notice::Unhealthy { check, .. } => (EventKind::Unhealthy, format!("is unhealthy: {}", check.failure())),
        Notice::Reloaded { .. } => (EventKind::Reloaded, "was replaced by a new attempt".into()),
        Notice::ReloadFailed { reason } => (EventKind::ReloadFailed, format!("is not replaced: {reason}")),
        Notice::Skipped => (EventKind::Skipped, "skips a run: the previous run has not ended".into()),
    }
}
