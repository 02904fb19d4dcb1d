//! What was asked for: the model that is held against what is found.

use crate::fleet::store::Store;
use crate::fleet::store::rows::{ENDED, InstanceRow, Stored, StoredInstance, StoredJob};
use sandhog_protocol::control::{EndedAttempt, GroupSpec, JobSpec};
use sandhog_runtime::granted::{Record, WasWritable};
use std::collections::{BTreeMap, VecDeque};

/// One change, as the daemon asks for it.
#[derive(Debug)]
pub(super) enum Put {
    Group(GroupSpec),
    NoGroup(String),
    Job { spec: Box<JobSpec>, source: Option<String>, order: u64 },
    NoJob(String),
    Granted { job: String, record: Record },
    Writable(WasWritable),
    NotWritable(String),
    Due { job: String, at_ms: u64 },
    Instance { job: String, row: InstanceRow },
    NoInstance(u64),
    Ended { id: u64, ended: EndedAttempt },
    Alive(u64),
}

impl Put {
    pub(super) fn ask(&self, store: &Store) {
        match self {
            Self::Group(group) => store.put_group(group),
            Self::NoGroup(name) => store.delete_group(name),
            Self::Job { spec, source, order } => store.put_job(spec, source.as_deref(), *order),
            Self::NoJob(name) => store.delete_job(name),
            Self::Granted { job, record } => store.put_granted(job, record),
            Self::Writable(directory) => store.put_was_writable(directory),
            Self::NotWritable(path) => store.delete_was_writable(path),
            Self::Due { job, at_ms } => store.put_last_due(job, *at_ms),
            Self::Instance { job, row } => store.put_instance(job, row.clone()),
            Self::NoInstance(id) => store.delete_instance(*id),
            Self::Ended { id, ended } => store.add_ended(*id, ended),
            Self::Alive(at_ms) => store.put_alive(*at_ms),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Job {
    spec: JobSpec,
    source: Option<String>,
    order: u64,
    granted: Option<Record>,
    due: Option<u64>,
    instances: BTreeMap<u64, Instance>,
}

#[derive(Clone, Debug, Default)]
struct Instance {
    row: InstanceRow,
    ended: VecDeque<EndedAttempt>,
}

/// All that is to be there at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    groups: BTreeMap<String, GroupSpec>,
    jobs: BTreeMap<String, Job>,
    writable: BTreeMap<String, WasWritable>,
    alive: Option<u64>,
}

impl State {
    pub(super) fn change(&mut self, put: &Put) {
        match put {
            Put::Group(group) => drop(self.groups.insert(group.name.clone(), group.clone())),
            Put::NoGroup(name) => drop(self.groups.remove(name)),
            Put::Job { spec, source, order } => {
                let job = self.jobs.entry(spec.name.clone()).or_default();
                (job.spec, job.source, job.order) = (JobSpec::clone(spec), source.clone(), *order);
            }
            Put::NoJob(name) => drop(self.jobs.remove(name)),
            Put::Granted { job, record } => self.job(job, |job| job.granted = Some(record.clone())),
            Put::Writable(directory) => drop(self.writable.insert(directory.path.clone(), directory.clone())),
            Put::NotWritable(path) => drop(self.writable.remove(path)),
            Put::Due { job, at_ms } => self.job(job, |job| job.due = Some(*at_ms)),
            Put::Instance { job, row } => {
                self.job(job, |job| job.instances.entry(row.id).or_default().row = row.clone());
            }
            Put::NoInstance(id) => self.jobs.values_mut().for_each(|job| drop(job.instances.remove(id))),
            Put::Ended { id, ended } => {
                let instances = self.jobs.values_mut().filter_map(|job| job.instances.get_mut(id));
                instances.for_each(|instance| {
                    instance.ended.push_front(ended.clone());
                    instance.ended.truncate(ENDED);
                });
            }
            Put::Alive(at_ms) => self.alive = Some(*at_ms),
        }
    }

    fn job(&mut self, name: &str, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.jobs.get_mut(name) {
            change(job);
        }
    }

    pub(super) fn has_job(&self, name: &str) -> bool {
        self.jobs.contains_key(name)
    }

    /// With the jobs that they are of, and how their attempts ended, newest first.
    pub(super) fn instances(&self) -> Vec<(String, InstanceRow, Vec<EndedAttempt>)> {
        let all = self.jobs.iter().flat_map(|(name, job)| job.instances.values().map(move |one| (name, one)));
        all.map(|(name, one)| (name.clone(), one.row.clone(), one.ended.iter().cloned().collect())).collect()
    }

    /// As it is to be found.
    pub(super) fn stored(&self) -> Stored {
        let mut jobs: Vec<_> = self.jobs.iter().collect();
        jobs.sort_by_key(|(name, job)| (job.order, *name));
        Stored {
            groups: self.groups.values().cloned().collect(),
            jobs: jobs.into_iter().map(|(_, job)| job.stored()).collect(),
            was_writable: self.writable.values().cloned().collect(),
            alive_ms: self.alive,
        }
    }
}

impl Job {
    fn stored(&self) -> StoredJob {
        let instance =
            |one: &Instance| StoredInstance { row: one.row.clone(), ended: one.ended.iter().cloned().collect() };
        StoredJob {
            spec: self.spec.clone(),
            source: self.source.clone(),
            granted: self.granted.clone(),
            last_due_ms: self.due,
            instances: self.instances.values().map(instance).collect(),
        }
    }
}

/// The states that there were since the last that is safe, and how far the daemon has got with them.
#[derive(Debug, Default)]
pub(super) struct Asked {
    states: Vec<State>,
    /// What is to become of the last, when all of it has been asked for.
    draft: Option<State>,
    /// Of those, the one of which somebody was told that it is kept.
    pub(super) promised: usize,
    /// The one that was committed last.
    pub(super) committed: usize,
}

impl Asked {
    pub(super) fn new() -> Self {
        Self { states: vec![State::default()], ..Self::default() }
    }

    pub(super) fn last(&self) -> usize {
        self.states.len() - 1
    }

    pub(super) fn now(&self) -> &State {
        self.draft.as_ref().unwrap_or(&self.states[self.last()])
    }

    /// Counts from [`Self::done`] on, with all that is added before that.
    pub(super) fn add(&mut self, put: &Put) {
        let mut state = self.draft.take().unwrap_or_else(|| self.now().clone());
        state.change(put);
        self.draft = Some(state);
    }

    pub(super) fn done(&mut self) {
        self.states.extend(self.draft.take());
    }

    /// The last state that is just like what is found.
    pub(super) fn find(&self, stored: &Stored) -> Option<usize> {
        self.states.iter().rposition(|state| state.stored() == *stored)
    }

    /// As [`Self::find`] says it.
    pub(super) fn state(&self, number: usize) -> &State {
        &self.states[number]
    }

    /// A daemon begins with this one; where it is not safe, a loss of power may still bring one of those before it back.
    pub(super) fn begin_with(&mut self, found: usize, is_safe: bool) {
        self.draft = None;
        self.states.truncate(found + 1);
        self.states.drain(..if is_safe { found } else { self.promised });
        (self.promised, self.committed) = (0, self.last());
    }
}
