//! What the last daemon left: its jobs are there again, and what was up comes up.

use super::actor::Daemon;
use super::index::Defined;
use super::restored::{self, Restored};
use super::settle::surroundings;
use super::store::{self, StoredInstance, StoredJob};
use sandhog_protocol::causes;
use sandhog_protocol::control::{EndedAttempt, EventKind};
use sandhog_runtime::error::Error;
use sandhog_runtime::granted::{Opener, Record, Settled, WasWritable, writable_then};
use sandhog_spec::service::Service;
use sandhog_spec::time;
use sandhog_supervisor::state::{Event, InstanceId};
use sandhog_sys::clock::now_ms;
use std::sync::Arc;

impl Daemon {
    /// What was there before the last daemon ended is there again.
    pub(super) fn restore(&mut self, stored: store::Stored) {
        let store::Stored { groups, jobs, was_writable, alive_ms } = stored;
        for group in groups {
            self.step(restored::group(group));
        }
        let mut missed = Vec::new();
        let jobs = self.described(jobs);
        let settled = self.settled(&jobs, &was_writable);
        for ((job, service), settled) in jobs.into_iter().zip(settled) {
            let last_due = job.last_due_ms.max(alive_ms);
            let defined = Defined { spec: job.spec, service: Arc::clone(&service), settled, source: job.source };
            self.bring_back(defined, job.instances);
            missed.extend(missed_since(&service, last_due).then(|| service.job.name.clone()));
        }
        for job in missed {
            self.is_due(&job);
        }
    }

    /// Those that can be kept up.
    fn described(&mut self, jobs: Vec<StoredJob>) -> Vec<(StoredJob, Arc<Service>)> {
        let mut described = Vec::new();
        for job in jobs {
            match Service::new(&job.spec, surroundings()) {
                Ok(service) => described.push((job, Arc::new(service))),
                Err(error) => {
                    let text = format!("the job {} of an earlier daemon can't be kept up: {error}", job.spec.name);
                    self.tell_of_itself(EventKind::Failed, &text);
                }
            }
        }
        described
    }

    /// What each may use, opened once more; or why not, and what to do about it.
    fn settled(
        &mut self,
        jobs: &[(StoredJob, Arc<Service>)],
        was_writable: &[WasWritable],
    ) -> Vec<Result<Arc<Settled>, String>> {
        let records = jobs.iter().map(|(job, service)| (service.as_ref(), job.granted.as_ref()));
        let writable = match writable_then(records, was_writable) {
            Ok(writable) => writable,
            Err(error) => {
                let reason = format!("it can't be told where jobs may write: {}", causes::one_line(&error));
                return jobs.iter().map(|_| Err(reason.clone())).collect();
            }
        };
        let counted = jobs.iter().filter_map(|(job, _)| job.granted.as_ref().map(|record| record.settled));
        let oldest = counted.clone().min().unwrap_or(u64::MAX);
        self.words = counted.chain(was_writable.iter().map(|directory| directory.until)).max().unwrap_or_default();
        // Every job was settled anew since.
        for directory in was_writable.iter().filter(|directory| directory.until <= oldest) {
            self.store.delete_was_writable(&directory.path);
        }
        let coordinator = Arc::clone(&self.coordinator);
        let mut opener = Opener::again(&writable, coordinator.own_directories());
        let open = |(job, service): &(StoredJob, Arc<Service>)| {
            let settled = opener.settle(service, job.granted.as_ref()).map(Arc::new);
            settled.map_err(|error| refusal(&error, &service.job.name))
        };
        let settled: Vec<_> = jobs.iter().map(open).collect();
        for ((job, service), settled) in jobs.iter().zip(&settled) {
            if let (Ok(settled), Some(before)) = (settled, &job.granted) {
                // What no job could change may be another one by now, and that is what is known of it from here on.
                let record = Record { settled: before.settled, ..settled.record.clone() };
                if record != *before {
                    self.store.put_granted(&service.job.name, &record);
                }
            }
        }
        settled
    }

    /// An attempt ran when the last daemon was ended, and ended with it.
    fn was_lost(&mut self, id: InstanceId, ended: EndedAttempt) {
        self.store.add_ended(id, &ended);
        self.tell_of_end(id, &ended);
        if let Some(member) = self.index.members.get_mut(&id) {
            member.ended(ended);
        }
    }

    fn bring_back(&mut self, defined: Defined, old: Vec<StoredInstance>) {
        let Restored { definition, instances, members, lost } =
            Restored::new(&defined.spec, &defined.service, old, self.begun_ms);
        self.clock.set(&defined.spec.name, defined.service.schedule.as_ref(), time::at(now_ms()));
        self.shared.changed(&defined.spec.group);
        let entry = self.index.put(defined);
        entry.instances.extend(members.iter().map(|(id, member)| (member.number, *id)));
        self.index.members.extend(members);
        for (id, ended) in lost {
            self.was_lost(id, ended);
        }
        self.step(Event::Define { definition, instances });
    }
}

/// Why a job can't be opened again, and which verb accepts what is there, where it is the operator's to accept.
fn refusal(error: &Error, job: &str) -> String {
    match error {
        Error::Guarded(_) => format!(
            "{error}. Nothing there is trusted across a restart of the daemon: look at it, and if it is as you want it, \
             accept it with: sandhog restart {job}"
        ),
        Error::Module(_)
        | Error::Directory { .. }
        | Error::Own(_)
        | Error::Stdin { .. }
        | Error::User { .. }
        | Error::Start(_) => causes::one_line(error),
    }
}

/// A run that should have taken place while no daemon ran, and is to take place now.
fn missed_since(service: &Service, last_due_ms: Option<u64>) -> bool {
    let (Some(schedule), Some(last)) = (&service.schedule, last_due_ms) else { return false };
    schedule.catch_up && schedule.was_due(time::at(last), time::at(now_ms()))
}
