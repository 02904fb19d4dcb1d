//! What there is to be: jobs that are new, others, more of them, or no more.

use super::actor::{Daemon, definition};
use super::changes::{self, change, changed, deleted};
use super::fronts::Socket;
use super::index::{Defined, Member};
use super::listening::{JobPorts, Sockets};
use super::parked::Asked;
use super::refusal::{Refusal, RefusalKind};
use super::request::{Reply, Verb};
use super::settle::{Prepared, surroundings};
use super::verbs::{up_already, whole};
use super::waits::{Goal, Waiter};
use sandhog_protocol::control::{
    ApplyRequest, Change, ChangeKind, EventKind, GroupSpec, JobSpec, Phase, ScaleRequest, VerbResult,
};
use sandhog_runtime::granted::{FileId, Record, Settled, WasWritable};
use sandhog_spec::service::{self, Service, Strategy};
use sandhog_spec::text::escape;
use sandhog_spec::time;
use sandhog_supervisor::state::{Event, InstanceId, KnownInstance};
use sandhog_sys::clock::now_ms;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Jobs that were described well, and what that changes.
struct Checked {
    changes: Vec<Change>,
    jobs: Vec<(JobSpec, Arc<Service>, Arc<Settled>)>,
    groups: Vec<(GroupSpec, Strategy)>,
    gone: Vec<String>,
    /// Of jobs that are to listen.
    sockets: Sockets,
    ports: JobPorts,
}

impl Daemon {
    /// All of it, or nothing.
    pub(super) fn apply(&mut self, prepared: Box<Prepared>, reply: Reply<VerbResult>) {
        let left = prepared.jobs.iter().filter_map(|(new, ..)| Some((&self.index.entry(&new.name)?.spec, new)));
        let left = changes::left_profiles(left);
        let warnings = || prepared.warnings.iter().cloned().chain(left.clone()).collect();
        let checked = match self.checked(&prepared) {
            Ok(checked) if prepared.apply.dry_run => {
                let done = VerbResult { changes: checked.changes, warnings: warnings(), ..VerbResult::default() };
                return drop(reply.send(Ok(done)));
            }
            Ok(checked) => checked,
            Err(refusal) => return drop(reply.send(Err(refusal))),
        };
        let missing = checked.jobs.iter().map(|(spec, service, _)| self.missing(&spec.name, service.instances)).sum();
        match self.new_ids(missing) {
            Ok(Some(ids)) => {
                let done = self.carry_out(checked, prepared.apply.source.clone(), ids);
                self.reply_when_kept(reply, VerbResult { warnings: warnings(), ..done });
            }
            Ok(None) => self.park(Asked::Apply(prepared, reply), missing),
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    fn checked(&self, prepared: &Prepared) -> Result<Checked, Refusal> {
        let Prepared { apply, jobs, sources, warnings: _ } = prepared;
        let mut groups = Vec::new();
        for group in &apply.groups {
            let strategy = Strategy::new(group.strategy.as_deref());
            groups.push((
                group.clone(),
                strategy.map_err(|error| invalid(format!("the group {}: {error}", escape(&group.name))))?,
            ));
        }
        for (_, service, _) in jobs {
            self.check_walls(service)?;
        }
        self.refuse_others_jobs(apply, sources)?;
        let gone = self.gone(apply, sources);
        self.check_together(jobs, &gone)?;
        let sockets = self.prepare_sockets(jobs.iter().map(|(_, service, _)| service.as_ref()), &gone)?;
        let ports = self.prepare_ports(jobs.iter().map(|(_, service, _)| service.as_ref()), &gone)?;
        let mut changes: Vec<Change> = jobs.iter().map(|(spec, _, settled)| self.change(spec, settled)).collect();
        let stale = self.stale(jobs);
        for change in changes.iter_mut().filter(|change| stale.contains(change.job.as_str())) {
            change.change = ChangeKind::Change;
        }
        changes.extend(gone.iter().cloned().map(deleted));
        Ok(Checked { changes, jobs: jobs.clone(), groups, gone, sockets, ports })
    }

    /// What becomes of a job: it is other than before where its settings are, or what they lead to.
    fn change(&self, spec: &JobSpec, settled: &Settled) -> Change {
        let old = self.index.entry(&spec.name);
        let mut change = change(old.map(|entry| &entry.spec), spec);
        if let Some(Ok(before)) = old.map(|entry| &entry.settled) {
            let keys = settled.differing(before).into_iter().map(|setting| setting.key().to_owned());
            let new: Vec<String> = keys.filter(|key| !change.keys.contains(key)).collect();
            if !new.is_empty() {
                change.change = ChangeKind::Change;
                change.keys.extend(new);
            }
        }
        change
    }

    /// The spawner was told when it began which walls may be missing, and nobody tells it anew.
    fn check_walls(&self, service: &Service) -> Result<(), Refusal> {
        let Some(wall) = service.job.allow_missing.difference(self.coordinator.may_miss()).next() else {
            return Ok(());
        };
        let (name, wall) = (&service.job.name, wall.name());
        let sentence =
            format!("the job {name}: allow_missing \"{wall}\": this daemon was not started to let jobs do without it");
        let hint = format!(
            "sandhog down --daemon ends the daemon, sandhog daemon --allow-missing {wall} (or sandhog up --allow-missing \
             {wall}) starts one that does"
        );
        Err(invalid(sentence).with_hint(&hint))
    }

    /// Jobs of which something runs that is other than this: what was to take its place did not become ready.
    fn stale<'a>(&self, jobs: &'a [(JobSpec, Arc<Service>, Arc<Settled>)]) -> BTreeSet<&'a str> {
        let wanted: BTreeMap<&str, _> = jobs.iter().map(|job| (job.0.name.as_str(), job)).collect();
        let runs = self.running.values().filter_map(|running| {
            let (name, (_, service, settled)) = wanted.get_key_value(running.service.job.name.as_str())?;
            let other = running.settled.as_ref().is_none_or(|now| !settled.differing(now).is_empty());
            (other || running.service.job != service.job).then_some(*name)
        });
        runs.collect()
    }

    /// Two manifests never have one job.
    fn refuse_others_jobs(&self, apply: &ApplyRequest, sources: &BTreeSet<String>) -> Result<(), Refusal> {
        for spec in &apply.jobs {
            let Some(entry) = self.index.entry(&spec.name) else { continue };
            let is_ours = match &entry.source {
                Some(source) => sources.contains(source),
                None => apply.source.is_none(),
            };
            if !is_ours || apply.create {
                let from = entry.source.as_deref().unwrap_or("sandhog start");
                let refusal = Refusal::new(
                    RefusalKind::Conflict,
                    format!("there is a job {} already, from {}", spec.name, escape(from)),
                );
                return Err(refusal.with_hint(
                    "give one of the two another name, or delete the one that is there; sandhog start NAME starts it again",
                ));
            }
        }
        Ok(())
    }

    /// Jobs of this manifest that it does not have any more.
    fn gone(&self, apply: &ApplyRequest, sources: &BTreeSet<String>) -> Vec<String> {
        let here: BTreeSet<&str> = apply.jobs.iter().map(|spec| spec.name.as_str()).collect();
        let is_ours = |source: &Option<String>| source.as_ref().is_some_and(|source| sources.contains(source));
        let jobs = self.index.jobs().iter();
        jobs.filter(|(name, entry)| is_ours(&entry.source) && !here.contains(name.as_str()))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// With those that are there and stay.
    fn check_together(&self, jobs: &[(JobSpec, Arc<Service>, Arc<Settled>)], gone: &[String]) -> Result<(), Refusal> {
        let gone: BTreeSet<&str> = gone.iter().map(String::as_str).collect();
        let stay = self.index.jobs().iter().filter(|(name, _)| !gone.contains(name.as_str()));
        let replaced: BTreeSet<&str> = jobs.iter().map(|(spec, ..)| spec.name.as_str()).collect();
        let stay = stay.filter(|(name, _)| !replaced.contains(name.as_str())).map(|(_, entry)| entry.service.as_ref());
        let all: Vec<&Service> = stay.chain(jobs.iter().map(|(_, service, _)| service.as_ref())).collect();
        let groups = self.index.groups().chain(jobs.iter().map(|(spec, ..)| spec.group.as_str()));
        match service::group::check(&all, groups).first() {
            None => Ok(()),
            Some(fault) => Err(invalid(format!("the job {}: {}", all[fault.index].job.name, fault.error))),
        }
    }

    /// `ids` are for instances that are new.
    fn carry_out(&mut self, checked: Checked, source: Option<String>, mut ids: Vec<InstanceId>) -> VerbResult {
        let Checked { changes, jobs, groups, gone, sockets, mut ports } = checked;
        let mut sockets = self.fronts.take_over(sockets);
        // A daemon that is killed now has done all of it, or nothing.
        let _together = self.store.together();
        for (group, strategy) in groups {
            self.store.put_group(&group);
            self.step(Event::Group { name: group.name, strategy });
        }
        self.delete(&gone);
        let mut concerned = Vec::new();
        let mut to_reload = Vec::new();
        for ((spec, service, settled), change) in jobs.into_iter().zip(&changes) {
            let instances = service.instances;
            let name = spec.name.clone();
            let old = self.index.entry(&name).map(|entry| entry.instances.values().copied().collect::<Vec<_>>());
            let defined = Defined { spec, service, settled: Ok(settled), source: source.clone() };
            let socket = sockets.remove(&name);
            if let Some(ports) = ports.remove(&name) {
                self.use_ports(&name, ports);
            }
            self.define(defined, instances, &mut ids, socket);
            concerned.extend(self.index.entry(&name).iter().flat_map(|entry| entry.instances.values().copied()));
            match change.change {
                ChangeKind::Change if change.keys.is_empty() || changes::needs_reload(change) => {
                    to_reload.extend(old.unwrap_or_default());
                }
                ChangeKind::Create
                | ChangeKind::Keep
                | ChangeKind::Change
                | ChangeKind::Delete
                | ChangeKind::Unknown(_) => {}
            }
        }
        // Those that ran go on until their replacements are ready; those that did not are started.
        let to_reload: Vec<InstanceId> =
            to_reload.into_iter().filter(|id| self.index.members.contains_key(id)).collect();
        self.step(Event::Start { ids: concerned.clone() });
        self.step(Event::Reload { ids: to_reload });
        let instances = concerned.into_iter().filter_map(|id| self.view(id)).collect();
        VerbResult { changes, instances, ..VerbResult::default() }
    }

    /// Instances that a job lacks of so many.
    fn missing(&self, job: &str, instances: u32) -> u64 {
        let there = self.index.entry(job).map_or(0, |entry| entry.instances.len() as u64);
        u64::from(instances).saturating_sub(there)
    }

    /// A job as it is to be from now on, with this many instances; `ids` are for those that are new.
    fn define(&mut self, defined: Defined, instances: u32, ids: &mut Vec<InstanceId>, socket: Option<Socket>) {
        let (name, group, service) =
            (defined.spec.name.clone(), defined.spec.group.clone(), Arc::clone(&defined.service));
        self.store.put_job(&defined.spec, defined.source.as_deref(), self.begun_ms);
        if let Ok(settled) = &defined.settled
            && !self.index.entry(&name).is_some_and(|entry| entry.is_settled_as(settled))
        {
            self.remember(&name, settled);
        }
        self.clock.set(&name, service.schedule.as_ref(), time::at(now_ms()));
        if self.index.entry(&name).is_none() {
            self.tell_of_job(&name, EventKind::Created);
        }
        self.shared.changed(&group);
        self.fronts.look_at(&name);
        self.ports.changed.insert(name.clone());
        if let (Some(http), Some(socket)) = (&service.job.http, socket) {
            self.use_socket(&name, http, socket);
        }
        let entry = self.index.put(defined);
        let gone = entry.instances.split_off(&instances);
        let mut new = Vec::new();
        for number in 0..instances {
            if !entry.instances.contains_key(&number)
                && let Some(id) = ids.pop()
            {
                entry.instances.insert(number, id);
                new.push((id, number));
            }
        }
        let all: Vec<InstanceId> = entry.instances.values().copied().collect();
        self.index.let_go(&name, &gone);
        self.index
            .members
            .extend(new.iter().map(|(id, number)| (*id, Member::new(&name, &group, *number, Vec::new()))));
        let known = |id| KnownInstance { id, wanted: true, failed: None, finished: false, restarts: 0 };
        let instances = all.into_iter().map(known).collect();
        self.step(Event::Define { definition: definition(&service), instances });
        // Were this process killed before they have stopped, the next daemon would take them for its own.
        gone.into_values().for_each(|id| self.store.delete_instance(id));
        for (id, _) in new {
            self.execute(sandhog_supervisor::state::Action::Save { id });
        }
    }

    /// In reverse order, all of them together.
    pub(super) fn delete(&mut self, jobs: &[String]) {
        let ids = jobs.iter().filter_map(|job| self.index.entry(job));
        let ids: Vec<InstanceId> = ids.flat_map(|entry| entry.instances.values().copied()).collect();
        if ids.is_empty() && jobs.is_empty() {
            return;
        }
        // Those that stop already go on with it: a second stop would be without grace.
        let stops = |id: &InstanceId| self.fleet.see(*id).is_some_and(|seen| seen.phase == Phase::Stopping);
        let ids = ids.into_iter().filter(|id| !stops(id)).collect();
        self.step(Event::Stop { ids });
        let mut left = Vec::new();
        for job in jobs {
            self.clock.set(job, None, time::at(now_ms()));
            let Some(entry) = self.index.delete(job) else { continue };
            self.shared.changed(&entry.spec.group);
            self.store.delete_job(job);
            left.extend(entry.settled.ok());
            if !self.index.has_group(&entry.spec.group) {
                self.store.delete_group(&entry.spec.group);
            }
            self.fronts.remove(job);
            self.ports.close(job);
            if !self.index.is_leaving(job) {
                self.remove_logs(job);
            }
            self.step(Event::Delete { job: job.clone() });
            self.tell_of_job(job, EventKind::Deleted);
        }
        self.leave(left.iter().map(|settled| &settled.record));
    }

    /// What the job may use from now on, as the operator has said just now.
    pub(super) fn remember(&mut self, job: &str, settled: &Settled) {
        let before = self.index.entry(job).and_then(|entry| entry.settled.as_ref().ok()).map(Arc::clone);
        if let Some(before) = before {
            let may_still: BTreeSet<FileId> = settled.record.writable().map(|directory| directory.id).collect();
            let lost = before.record.writable().filter(|directory| !may_still.contains(&directory.id)).cloned();
            let lost = Record { directories: lost.collect(), ..Record::default() };
            self.leave([&lost].into_iter());
        }
        self.words += 1;
        self.store.put_granted(job, &Record { settled: self.words, ..settled.record.clone() });
    }

    /// Directories that jobs could write until now: what they have left there may wait for those that were settled before.
    /// The next daemon has to know of those that lie in the way of a job that is there.
    fn leave<'a>(&mut self, records: impl Iterator<Item = &'a Record>) {
        let directories: Vec<_> = records.flat_map(|record| record.writable()).collect();
        if directories.is_empty() {
            return;
        }
        self.words += 1;
        let settled = self.index.jobs().values().filter_map(|entry| entry.settled.as_ref().ok());
        let passes: BTreeSet<FileId> = settled.flat_map(|settled| settled.passes()).collect();
        for directory in directories.into_iter().filter(|directory| passes.contains(&directory.id)) {
            let path = directory.path.clone().unwrap_or_default();
            self.store.put_was_writable(&WasWritable { path, id: directory.id, until: self.words });
        }
    }

    pub(super) fn scale(&mut self, scale: ScaleRequest, reply: Reply<VerbResult>) {
        let service = match self.to_scale(&scale) {
            Ok((_, service)) => service,
            Err(refusal) => return drop(reply.send(Err(refusal))),
        };
        if service.instances > 0
            && let Err(reason) = self.listen(&service)
        {
            let refusal = Refusal::new(RefusalKind::Conflict, format!("the job {}: {reason}", scale.job));
            return drop(reply.send(Err(refusal)));
        }
        let missing = self.missing(&scale.job, service.instances);
        match self.new_ids(missing) {
            Ok(Some(ids)) => self.carry_out_scale(&scale, ids, reply),
            Ok(None) => self.park(Asked::Scale(scale, reply), missing),
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    /// The job as it is to be.
    fn to_scale(&self, scale: &ScaleRequest) -> Result<(JobSpec, Arc<Service>), Refusal> {
        let missing = || super::select::nothing_called(&self.index, &scale.job);
        let mut spec = self.index.entry(&scale.job).ok_or_else(missing)?.spec.clone();
        spec.instances = Some(scale.instances);
        let service = Service::new(&spec, surroundings()).map_err(|error| invalid(error.to_string()))?;
        Ok((spec, Arc::new(service)))
    }

    /// The job has so many instances from now on; `ids` are for those that are new. More of the same: nothing is opened
    /// anew.
    pub(super) fn define_anew(&mut self, job: &str, count: u64, ids: &mut Vec<InstanceId>) -> Result<(), Refusal> {
        let (spec, service) = self.to_scale(&ScaleRequest { job: job.into(), instances: count, wait: false })?;
        let Some(entry) = self.index.entry(job) else { return Ok(()) };
        let (settled, source, count) = (entry.settled.clone(), entry.source.clone(), service.instances);
        self.define(Defined { spec, service, settled, source }, count, ids, None);
        Ok(())
    }

    /// `ids` are for instances that are new. All that it has then are to be up.
    fn carry_out_scale(&mut self, scale: &ScaleRequest, mut ids: Vec<InstanceId>, reply: Reply<VerbResult>) {
        let job = &scale.job;
        let before = self.instances_of(job);
        if let Err(refusal) = self.define_anew(job, scale.instances, &mut ids) {
            return drop(reply.send(Err(refusal)));
        }
        let after = self.instances_of(job);
        let mut done = VerbResult::default();
        if before != after {
            done.changes.push(changed(job.clone()));
        }
        let all: Vec<InstanceId> = after.iter().copied().collect();
        let up = self.unchanged(&all, |seen, scheduled| up_already(Verb::Start, seen, scheduled));
        if before == after && up.len() == all.len() {
            let reason = match all.len() {
                0 => "it has no instance already".into(),
                1 => "it has 1 instance already, which is up".into(),
                many => format!("it has {many} instances already, and each is up"),
            };
            done.unchanged.push(whole(job.clone(), &reason));
        }
        self.step(Event::Start { ids: all });
        let gone = before.difference(&after).map(|id| (*id, Goal::Gone));
        let goals: BTreeMap<_, _> = after.iter().map(|id| (*id, Goal::Up)).chain(gone).collect();
        let waiter = Waiter::new(goals, done, reply);
        if scale.wait { self.wait_for(waiter) } else { self.answer(waiter) }
    }

    fn instances_of(&self, job: &str) -> BTreeSet<InstanceId> {
        self.index.entry(job).into_iter().flat_map(|entry| entry.instances.values().copied()).collect()
    }
}

fn invalid(sentence: String) -> Refusal {
    Refusal::new(RefusalKind::Invalid, sentence)
}
