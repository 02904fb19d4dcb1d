//! What the last daemon left: its jobs are there again, and what was up comes up.

use super::actor::{Daemon, definition};
use super::book::Member;
use super::store::{self, InstanceRow, StoredInstance};
use crate::config::service::{Service, Strategy};
use crate::supervisor::outcome;
use crate::supervisor::state::{Event, InstanceId, Place};
use chrono::{DateTime, Utc};
use sandhog_protocol::control::{Ended, JobSpec};
use sandhog_protocol::verdict::{Usage, Verdict};
use std::sync::Arc;

impl Daemon {
    /// What was there before the last daemon ended is there again.
    pub(super) fn restore(&mut self, stored: store::Stored) {
        let store::Stored { groups, jobs, alive_ms } = stored;
        for group in groups {
            // It was checked when it came.
            let strategy = Strategy::new(group.strategy.as_deref()).unwrap_or_default();
            self.step(Event::Group { name: group.name, strategy });
        }
        let mut missed = Vec::new();
        for job in jobs {
            let service = match Service::new(&job.spec, super::apply::surroundings()) {
                Ok(service) => Arc::new(service),
                Err(error) => {
                    let text = format!("the job {} of an earlier daemon can't be kept up: {error}", job.spec.name);
                    self.tell_of_itself("failed", text);
                    continue;
                }
            };
            let last_due = job.last_due_ms.max(alive_ms);
            self.bring_back(job.spec, Arc::clone(&service), job.source, job.instances);
            missed.extend(missed_since(&service, last_due).then(|| service.job.name.clone()));
        }
        for job in missed {
            self.is_due(&job);
        }
    }

    /// An attempt ran when the last daemon was ended, and ended with it.
    fn was_lost(&mut self, id: InstanceId, attempt: String) {
        let why = "the daemon was ended from outside, and every worker with it";
        let verdict = Verdict::Lost { why: why.into() };
        let ended = Ended {
            attempt,
            // When it was found: nobody saw it.
            at_ms: self.begun_ms,
            text: outcome::brief(&verdict),
            code: crate::exit_code::of(&verdict),
            verdict,
            usage: Usage::default(),
        };
        self.store.add_ended(id, &ended);
        self.tell_of_end(id, &ended);
        if let Some(member) = self.book.members.get_mut(&id) {
            member.ended(ended);
        }
    }

    fn bring_back(&mut self, spec: JobSpec, service: Arc<Service>, source: Option<String>, old: Vec<StoredInstance>) {
        let name = spec.name.clone();
        let group = spec.group.clone();
        self.clock.set(&name, service.schedule.as_ref(), Utc::now());
        let entry = self.book.put(spec, Arc::clone(&service), source);
        let mut places = Vec::new();
        let (mut members, mut lost) = (Vec::new(), Vec::new());
        for StoredInstance { row, ended } in old {
            let InstanceRow { id, instance, wanted, failed, finished, attempt, restarts } = row;
            entry.instances.insert(instance, id);
            lost.extend(attempt.map(|attempt| (id, attempt)));
            members.push((id, Member::new(&name, &group, instance, ended)));
            places.push(Place { id, wanted, failed, finished, restarts });
        }
        self.book.members.extend(members);
        for (id, attempt) in lost {
            self.was_lost(id, attempt);
        }
        self.step(Event::Define { definition: definition(&service), places });
    }
}

/// A run that should have taken place while no daemon ran, and is to take place now.
fn missed_since(service: &Service, last_due_ms: Option<u64>) -> bool {
    let (Some(schedule), Some(last)) = (&service.schedule, last_due_ms) else { return false };
    let last = i64::try_from(last).ok().and_then(DateTime::from_timestamp_millis);
    schedule.catch_up && last.is_some_and(|last| schedule.was_due(last, Utc::now()))
}
