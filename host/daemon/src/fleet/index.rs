//! The jobs and their instances, as far as the supervisor does not know them: what they are called, what they run, how they
//! ended.

use super::select::Named;
use sandhog_protocol::control::{EndedAttempt, JobSpec};
use sandhog_runtime::granted::Settled;
use sandhog_spec::service::Service;
use sandhog_supervisor::state::InstanceId;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Ends that are kept of each instance.
pub(super) const ENDS: usize = 10;

#[derive(Default)]
pub(super) struct Index {
    jobs: BTreeMap<String, Entry>,
    groups: BTreeMap<String, BTreeSet<String>>,
    pub members: HashMap<InstanceId, Member>,
    /// Instances of jobs that are deleted, which have not stopped yet.
    leaving: HashMap<String, BTreeSet<InstanceId>>,
    /// Those that a job has too many, which have not stopped yet.
    surplus: HashMap<String, BTreeSet<InstanceId>>,
}

/// A job.
pub(super) struct Entry {
    pub spec: JobSpec,
    pub service: Arc<Service>,
    /// What it may use, opened when the operator spoke last; or why that could not be opened again.
    pub settled: Result<Arc<Settled>, String>,
    /// The manifest that it comes from.
    pub source: Option<String>,
    pub instances: BTreeMap<u32, InstanceId>,
}

impl Entry {
    pub(super) fn is_settled_as(&self, settled: &Arc<Settled>) -> bool {
        self.settled.as_ref().is_ok_and(|own| Arc::ptr_eq(own, settled))
    }
}

/// What a job is to be.
pub(super) struct Defined {
    pub spec: JobSpec,
    pub service: Arc<Service>,
    pub settled: Result<Arc<Settled>, String>,
    pub source: Option<String>,
}

/// An instance; it may outlive its job while it stops.
pub(super) struct Member {
    pub job: String,
    pub group: String,
    pub number: u32,
    /// Newest first.
    pub ends: VecDeque<EndedAttempt>,
    /// Why its last reload failed.
    pub reload_problem: Option<String>,
}

impl Member {
    pub(super) fn new(job: &str, group: &str, number: u32, ends: Vec<EndedAttempt>) -> Self {
        Self { job: job.into(), group: group.into(), number, ends: ends.into(), reload_problem: None }
    }

    /// As people call it.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.job, self.number)
    }

    pub(super) fn ended(&mut self, ended: EndedAttempt) {
        self.ends.push_front(ended);
        self.ends.truncate(ENDS);
    }
}

impl Index {
    pub(super) fn jobs(&self) -> &BTreeMap<String, Entry> {
        &self.jobs
    }

    pub(super) fn entry(&self, job: &str) -> Option<&Entry> {
        self.jobs.get(job)
    }

    /// What the job may use from now on.
    pub(super) fn settle(&mut self, job: &str, settled: Arc<Settled>) {
        if let Some(entry) = self.jobs.get_mut(job) {
            entry.settled = Ok(settled);
        }
    }

    /// A job is new, or is other than before; its instances stay.
    pub(super) fn put(&mut self, defined: Defined) -> &mut Entry {
        let Defined { spec, service, settled, source } = defined;
        let name = spec.name.clone();
        let instances = self.take(&name).map(|entry| entry.instances).unwrap_or_default();
        self.groups.entry(spec.group.clone()).or_default().insert(name.clone());
        self.jobs.entry(name).or_insert(Entry { spec, service, settled, source, instances })
    }

    /// A job is deleted; its instances stay until they have stopped.
    pub(super) fn delete(&mut self, job: &str) -> Option<Entry> {
        let entry = self.take(job)?;
        // Those as well that it had too many and that stop still.
        let surplus = self.surplus.remove(job).unwrap_or_default();
        let ids: Vec<InstanceId> = entry.instances.values().copied().chain(surplus).collect();
        if !ids.is_empty() {
            self.leaving.entry(job.to_owned()).or_default().extend(ids);
        }
        Some(entry)
    }

    /// A job has these no longer, and they stop.
    pub(super) fn let_go(&mut self, job: &str, ids: &BTreeMap<u32, InstanceId>) {
        if !ids.is_empty() {
            self.surplus.entry(job.to_owned()).or_default().extend(ids.values());
        }
    }

    /// Whether a group has jobs.
    pub(super) fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// Whether it is one that its job has, and not on its way out of it.
    pub(super) fn is_kept(&self, id: InstanceId) -> bool {
        let number = |member: &Member| self.jobs.get(&member.job)?.instances.get(&member.number).copied();
        self.members.get(&id).and_then(number) == Some(id)
    }

    /// Whether instances of a job of this name that was deleted have not stopped yet.
    pub(super) fn is_leaving(&self, job: &str) -> bool {
        self.leaving.contains_key(job)
    }

    fn take(&mut self, job: &str) -> Option<Entry> {
        let entry = self.jobs.remove(job)?;
        if let Some(jobs) = self.groups.get_mut(&entry.spec.group) {
            jobs.remove(job);
            if jobs.is_empty() {
                self.groups.remove(&entry.spec.group);
            }
        }
        Some(entry)
    }

    /// An instance is gone; whether nothing is left of its job.
    pub(super) fn forget(&mut self, id: InstanceId, member: &Member) -> bool {
        if let Some(surplus) = self.surplus.get_mut(&member.job) {
            surplus.remove(&id);
            if surplus.is_empty() {
                self.surplus.remove(&member.job);
            }
        }
        let Some(left) = self.leaving.get_mut(&member.job) else { return false };
        left.remove(&id);
        let is_last = left.is_empty();
        if is_last {
            self.leaving.remove(&member.job);
        }
        is_last && !self.jobs.contains_key(&member.job)
    }

    /// The names of groups that have jobs.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// The service that an instance runs next.
    pub(super) fn service_of(&self, id: InstanceId) -> Option<&Arc<Service>> {
        self.entry_of(id).map(|entry| &entry.service)
    }

    /// The job of an instance.
    pub(super) fn entry_of(&self, id: InstanceId) -> Option<&Entry> {
        self.jobs.get(&self.members.get(&id)?.job)
    }
}

impl Named for Index {
    fn job(&self, name: &str) -> Option<&BTreeMap<u32, InstanceId>> {
        self.jobs.get(name).map(|entry| &entry.instances)
    }

    fn group(&self, name: &str) -> Vec<&str> {
        self.groups.get(name).into_iter().flatten().map(String::as_str).collect()
    }

    fn has_instance(&self, id: InstanceId) -> bool {
        self.members.contains_key(&id)
    }

    fn all(&self) -> Vec<InstanceId> {
        self.members.keys().copied().collect()
    }

    fn names(&self) -> Vec<&str> {
        self.jobs.keys().chain(self.groups.keys()).map(String::as_str).collect()
    }

    fn jobs(&self) -> Vec<&str> {
        self.jobs.keys().map(String::as_str).collect()
    }

    fn leaving(&self, job: &str) -> Vec<InstanceId> {
        self.leaving.get(job).into_iter().flatten().copied().collect()
    }
}
