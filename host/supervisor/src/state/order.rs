//! Which jobs come after which: who may start, and who may be stopped.
//!
//! Both questions are answered by counting. A job counts those of its instances that are not ready; one that waits is
//! looked at again when the first job that it waits for has none of them left. A job is **busy** while an instance of it is
//! being stopped, or while one that comes after it is busy; each job counts its busy dependants, so the news travels along
//! the edges once in each direction, however many jobs are stopped at once.
//!
//! Must not: know what an instance is doing.

use super::message::{Definition, InstanceId};
use super::reload::Reload;
use sandhog_spec::service::Rules;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A job, or the place of one that others come after and that is not there.
#[derive(Debug, Default)]
pub(super) struct Job {
    /// None: it was deleted, or never defined.
    pub definition: Option<Definition>,
    /// Those that it is to have.
    pub instances: BTreeSet<InstanceId>,
    /// All of them, with those that are on their way out.
    pub members: usize,
    /// Those that wait for what it comes after.
    pub waiting: BTreeSet<InstanceId>,
    /// Those that are to be stopped when nothing that comes after it is busy.
    pub held: BTreeSet<InstanceId>,
    pub reload: Option<Reload>,
    /// What it comes after, and what comes after it.
    after: BTreeSet<Arc<str>>,
    dependants: BTreeSet<Arc<str>>,
    /// Instances that are not ready and have not done their work.
    lacking: usize,
    /// Jobs that are to be looked at when none is lacking.
    expectant: BTreeSet<Arc<str>>,
    /// Instances that are being stopped.
    ending: usize,
    /// Direct dependants that are busy.
    busy_dependants: usize,
}

impl Job {
    pub(super) fn rules(&self) -> Option<&Arc<Rules>> {
        self.definition.as_ref().map(|definition| &definition.rules)
    }

    fn is_ready(&self) -> bool {
        self.definition.is_some() && self.lacking == 0
    }

    fn is_busy(&self) -> bool {
        self.ending > 0 || self.busy_dependants > 0
    }
}

/// All jobs by their names, and which of them are to be looked at.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: BTreeMap<Arc<str>, Job>,
    /// Those of which an instance may be able to start.
    hopeful: BTreeSet<Arc<str>>,
    /// Those of which an instance may have to be told to go.
    loose: BTreeSet<Arc<str>>,
}

impl Jobs {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Job> {
        self.jobs.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Job> {
        self.jobs.get_mut(name)
    }

    /// Takes a definition in and gives the name that the job is known by, and the definition that it had.
    pub(super) fn define(&mut self, definition: Definition) -> (Arc<str>, Option<Definition>) {
        let name = self.named(&definition.job);
        let after = definition.after.iter().map(|after| self.named(after)).collect();
        let dropped = self.link(&name, after);
        dropped.iter().for_each(|parent| self.forget(parent));
        let job = self.jobs.entry(Arc::clone(&name)).or_default();
        let before = job.definition.replace(definition);
        self.became_ready(&name);
        self.hopeful.insert(Arc::clone(&name));
        (name, before)
    }

    /// The job has no definition any more; its place stays while there is an instance, or one that comes after it.
    pub(super) fn undefine(&mut self, name: &str) -> Option<Definition> {
        let job = self.jobs.get_mut(name)?;
        job.reload = None;
        job.definition.take()
    }

    /// Forgets a job that nothing refers to any more.
    pub(super) fn forget(&mut self, name: &Arc<str>) {
        let is_gone = |job: &Job| job.definition.is_none() && job.members == 0;
        if !self.jobs.get(name).is_some_and(is_gone) {
            return;
        }
        let after = self.link(name, BTreeSet::new());
        let names = after.into_iter().chain([Arc::clone(name)]);
        for name in names {
            if self.jobs.get(&name).is_some_and(|job| is_gone(job) && job.dependants.is_empty()) {
                self.jobs.remove(&name);
                self.hopeful.remove(&name);
                self.loose.remove(&name);
            }
        }
    }

    /// One spelling for all that refer to it.
    fn named(&mut self, name: &str) -> Arc<str> {
        match self.jobs.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => {
                let name: Arc<str> = name.into();
                self.jobs.insert(Arc::clone(&name), Job::default());
                name
            }
        }
    }

    /// The job comes after these and no others. Gives what it came after before.
    fn link(&mut self, name: &Arc<str>, after: BTreeSet<Arc<str>>) -> BTreeSet<Arc<str>> {
        let Some(job) = self.jobs.get_mut(name).filter(|job| job.after != after) else { return BTreeSet::new() };
        let is_busy = job.is_busy();
        let before = std::mem::replace(&mut job.after, after.clone());
        for parent in &before {
            if let Some(parent) = self.jobs.get_mut(parent) {
                parent.dependants.remove(name);
                parent.expectant.remove(name);
            }
        }
        for parent in &after {
            if let Some(parent) = self.jobs.get_mut(parent) {
                parent.dependants.insert(Arc::clone(name));
            }
        }
        if is_busy {
            self.spread(after.into_iter().collect(), true);
            self.spread(before.iter().cloned().collect(), false);
        }
        before
    }

    /// A dependant of each of these is busy, or is not any more.
    fn spread(&mut self, mut parents: Vec<Arc<str>>, busy: bool) {
        while let Some(name) = parents.pop() {
            let Some(job) = self.jobs.get_mut(&name) else { continue };
            let before = job.is_busy();
            job.busy_dependants = if busy { job.busy_dependants + 1 } else { job.busy_dependants.saturating_sub(1) };
            if job.is_busy() != before {
                parents.extend(job.after.iter().cloned());
            }
            if job.busy_dependants == 0 {
                self.loose.insert(name);
            }
        }
    }

    /// One more instance of it is being stopped, or one less.
    pub(super) fn count_ending(&mut self, name: &str, more: bool) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        let before = job.is_busy();
        job.ending = if more { job.ending + 1 } else { job.ending.saturating_sub(1) };
        if job.is_busy() != before {
            let parents = job.after.iter().cloned().collect();
            self.spread(parents, more);
        }
    }

    /// One more instance of it is not ready, or one less.
    pub(super) fn count_lacking(&mut self, name: &str, more: bool) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        job.lacking = if more { job.lacking + 1 } else { job.lacking.saturating_sub(1) };
        self.became_ready(name);
    }

    /// Those that have waited for it are looked at, if it is ready.
    fn became_ready(&mut self, name: &str) {
        if let Some(job) = self.jobs.get_mut(name).filter(|job| job.is_ready()) {
            self.hopeful.append(&mut job.expectant);
        }
    }

    pub(super) fn wait(&mut self, name: &Arc<str>, id: InstanceId) {
        if let Some(job) = self.jobs.get_mut(name) {
            job.held.remove(&id);
            job.waiting.insert(id);
            self.hopeful.insert(Arc::clone(name));
        }
    }

    pub(super) fn hold(&mut self, name: &Arc<str>, id: InstanceId) {
        if let Some(job) = self.jobs.get_mut(name) {
            job.waiting.remove(&id);
            job.held.insert(id);
            self.loose.insert(Arc::clone(name));
        }
    }

    /// It neither waits nor is held.
    pub(super) fn let_go(&mut self, name: &str, id: InstanceId) {
        if let Some(job) = self.jobs.get_mut(name) {
            job.waiting.remove(&id);
            job.held.remove(&id);
        }
    }

    /// What the job waits for.
    pub(super) fn missing(&self, name: &str) -> impl Iterator<Item = &Arc<str>> {
        let after = self.jobs.get(name).into_iter().flat_map(|job| &job.after);
        after.filter(|parent| !self.jobs.get(*parent).is_some_and(Job::is_ready))
    }

    /// Instances that may start now. A job that has to wait is looked at again when the first one that it waits for is
    /// ready.
    pub(super) fn startable(&mut self) -> Vec<InstanceId> {
        while let Some(name) = self.hopeful.pop_first() {
            let Some(job) = self.jobs.get(&name).filter(|job| !job.waiting.is_empty()) else { continue };
            let waiting = job.waiting.iter().copied().collect();
            let Some(parent) = self.missing(&name).next().cloned() else { return waiting };
            if let Some(parent) = self.jobs.get_mut(&parent) {
                parent.expectant.insert(name);
            }
        }
        Vec::new()
    }

    /// Instances that are to be told to go now.
    pub(super) fn stoppable(&mut self) -> Vec<InstanceId> {
        while let Some(name) = self.loose.pop_first() {
            let Some(job) = self.jobs.get(&name) else { continue };
            if job.busy_dependants == 0 && !job.held.is_empty() {
                return job.held.iter().copied().collect();
            }
        }
        Vec::new()
    }

    /// Jobs that come after this one, by others as well.
    pub(super) fn all_after(&self, name: &str) -> BTreeSet<Arc<str>> {
        let (mut found, mut open) = (BTreeSet::new(), vec![name]);
        while let Some(name) = open.pop() {
            for dependant in self.jobs.get(name).into_iter().flat_map(|job| &job.dependants) {
                if found.insert(Arc::clone(dependant)) {
                    open.push(dependant);
                }
            }
        }
        found
    }
}
