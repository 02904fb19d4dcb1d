//! What people ask of jobs that are there: begun here, with a word for each for which there is nothing to do.

use super::actor::Daemon;
use super::changes::{changed, deleted};
use super::parked::Asked;
use super::refusal::{Refusal, RefusalKind};
use super::request::{Reply, Verb};
use super::select::{Named, Selected, select};
use super::settle::Opened;
use super::waits::{Goal, Waiter};
use sandhog_protocol::control::{Change, Phase, Unchanged, VerbRequest, VerbResult};
use sandhog_protocol::verdict::StopReason;
use sandhog_runtime::stop::StopRequest;
use sandhog_spec::service::Overlap;
use sandhog_spec::text::escape;
use sandhog_supervisor::state::{AttemptNumber, Event, InstanceId, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// What instances are to become.
type Goals = Vec<(InstanceId, Goal)>;

/// Whom a verb concerns.
struct Meant {
    /// Instances that their jobs have.
    ids: Vec<InstanceId>,
    /// Instances that are on their way out: their jobs are deleted, or are to have fewer.
    leaving: Vec<InstanceId>,
    jobs: BTreeSet<String>,
    by_name: BTreeSet<InstanceId>,
}

impl Daemon {
    pub(super) fn ask(&mut self, verb: Verb, ask: VerbRequest, opened: Opened, reply: Reply<VerbResult>) {
        let new = match self.lacking(verb, &ask.select).and_then(|jobs| self.new_ids(jobs.len() as u64)) {
            Ok(Some(ids)) => ids,
            Ok(None) => {
                let lacking = self.lacking(verb, &ask.select).map_or(0, |jobs| jobs.len() as u64);
                return self.park(Asked::Ask(verb, ask, opened, reply), lacking);
            }
            Err(refusal) => return drop(reply.send(Err(refusal))),
        };
        match self.asked(verb, &ask, opened, new) {
            Ok((goals, done)) => {
                let waiter = Waiter::new(goals, done, reply);
                if ask.wait { self.wait_for(waiter) } else { self.answer(waiter) }
            }
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    /// Jobs without an instance that the verb gives one: those that it is to bring up.
    fn lacking(&self, verb: Verb, words: &[String]) -> Result<Vec<String>, Refusal> {
        match verb {
            Verb::Start | Verb::Restart | Verb::Reload => {
                let jobs = select(&self.index, words)?.jobs.into_iter();
                Ok(jobs.filter(|job| self.index.entry(job).is_some_and(|entry| entry.instances.is_empty())).collect())
            }
            Verb::Stop | Verb::Delete | Verb::Signal => Ok(Vec::new()),
        }
    }

    /// Begins what was asked for, and says what each instance is to become. `new`: ids for instances of jobs that have none.
    fn asked(
        &mut self,
        verb: Verb,
        ask: &VerbRequest,
        opened: Opened,
        mut new: Vec<InstanceId>,
    ) -> Result<(Goals, VerbResult), Refusal> {
        if ask.select.is_empty() {
            let sentence = "nothing is selected: give names, ids, NAME/INSTANCE, a group, or all";
            return Err(Refusal::new(RefusalKind::Invalid, sentence));
        }
        let failed = self.take_over(opened);
        let mut done = VerbResult::default();
        let mut selected = select(&self.index, &ask.select)?;
        let mut begun = BTreeSet::new();
        for job in self.lacking(verb, &ask.select)?.into_iter().filter(|job| !failed.contains_key(job)) {
            self.define_anew(&job, 1, &mut new)?;
            done.changes.push(changed(job.clone()));
            begun.extend(self.fleet.ids_of(&job));
        }
        selected.ids.extend(&begun);
        done.problems.extend(failed.iter().map(|(job, reason)| format!("{job}: {reason}")));
        let mut meant = self.meant(selected);
        meant.ids.retain(|id| self.index.members.get(id).is_none_or(|member| !failed.contains_key(&member.job)));
        match verb {
            Verb::Start | Verb::Restart | Verb::Reload => Ok(self.bring_up(verb, &meant, &begun, done)),
            Verb::Stop => Ok(self.stop_some(&meant, done)),
            Verb::Delete => self.delete_some(meant, done),
            Verb::Signal => self.signal_some(&meant, ask.signal.as_deref().unwrap_or_default(), done),
        }
    }

    fn meant(&self, selected: Selected) -> Meant {
        let Selected { ids, jobs, by_name } = selected;
        let (ids, leaving) = ids.into_iter().partition(|id| self.index.is_kept(*id));
        Meant { ids, leaving, jobs, by_name }
    }

    /// `start`, `restart`, `reload`. `begun`: those that are new, and come up already.
    fn bring_up(
        &mut self,
        verb: Verb,
        meant: &Meant,
        begun: &BTreeSet<InstanceId>,
        mut done: VerbResult,
    ) -> (Goals, VerbResult) {
        let gone = meant.leaving.iter().filter(|id| meant.by_name.contains(id));
        done.problems.extend(gone.filter_map(|id| Some(format!("{}: it is being removed", self.name_of(*id)?))));
        // To run what has a schedule, out of turn, one has to name it: `start all` is to bring up what is down.
        let runs =
            |id: &InstanceId| verb == Verb::Start && meant.by_name.contains(id) && self.overlap_of(*id).is_some();
        let (runs, others): (Vec<_>, Vec<_>) = meant.ids.iter().copied().partition(runs);
        let old_ones: Vec<_> = others.iter().filter(|id| !begun.contains(id)).copied().collect();
        done.unchanged = self.unchanged(&old_ones, |seen, scheduled| up_already(verb, seen, scheduled));
        let old: BTreeMap<_, _> = meant.ids.iter().map(|id| (*id, self.attempt_of(*id))).collect();
        let goal = |id: &InstanceId| match verb {
            Verb::Restart if begun.contains(id) => Goal::Up,
            Verb::Restart => Goal::Anew(old.get(id).copied().flatten()),
            Verb::Reload => Goal::Reloaded,
            Verb::Start | Verb::Stop | Verb::Delete | Verb::Signal => Goal::Up,
        };
        let mut goals: Goals = others.iter().map(|id| (*id, goal(id))).collect();
        match verb {
            Verb::Restart => self.step(Event::Restart { ids: old_ones }),
            Verb::Reload => {
                for id in &old_ones {
                    if let Some(member) = self.index.members.get_mut(id) {
                        member.reload_problem = None;
                    }
                }
                self.step(Event::Reload { ids: old_ones });
            }
            Verb::Start | Verb::Stop | Verb::Delete | Verb::Signal => self.step(Event::Start { ids: old_ones }),
        }
        goals.extend(self.run_out_of_turn(&runs, &old, &mut done));
        (goals, done)
    }

    fn run_out_of_turn(
        &mut self,
        ids: &[InstanceId],
        old: &BTreeMap<InstanceId, Option<AttemptNumber>>,
        done: &mut VerbResult,
    ) -> Goals {
        self.skipped.clear();
        self.step(Event::Run { ids: ids.to_vec() });
        let mut goals = Goals::new();
        for id in ids {
            let goal = if self.skipped.contains(id) {
                let reason = match self.overlap_of(*id) {
                    Some(Overlap::Queue) => "its last run has not ended, and another one waits for that already",
                    Some(Overlap::Skip | Overlap::Replace) | None => {
                        "its last run has not ended, so it does not run again (overlap = \"skip\")"
                    }
                };
                done.problems.extend(self.name_of(*id).map(|name| format!("{name}: {reason}")));
                Goal::Sent
            } else if self.fleet.see(*id).is_some_and(|seen| seen.queued) {
                done.unchanged
                    .extend(self.unchanged_one(*id, "its last run has not ended; another one follows".into()));
                Goal::Sent
            } else {
                Goal::Run(old.get(id).copied().flatten())
            };
            goals.push((*id, goal));
        }
        goals
    }

    fn stop_some(&mut self, meant: &Meant, mut done: VerbResult) -> (Goals, VerbResult) {
        done.unchanged = self.without_instance(&meant.jobs);
        done.unchanged.extend(self.unchanged(&meant.ids, |seen, _| down_already(seen)));
        // Those that leave have been told: a second stop would be without grace.
        done.unchanged.extend(self.unchanged(&meant.leaving, |_, _| Some("it stops for good already".into())));
        self.step(Event::Stop { ids: meant.ids.clone() });
        (meant.ids.iter().chain(&meant.leaving).map(|id| (*id, Goal::Down)).collect(), done)
    }

    fn delete_some(&mut self, meant: Meant, mut done: VerbResult) -> Result<(Goals, VerbResult), Refusal> {
        let Meant { ids, leaving, mut jobs, .. } = meant;
        jobs.extend(self.whole_jobs(&ids, &jobs)?);
        let going = leaving.iter().filter_map(|id| self.index.members.get(id)).map(|member| member.job.clone());
        let going: BTreeSet<String> = going.filter(|job| self.index.entry(job).is_none()).collect();
        done.unchanged = going.into_iter().map(|job| whole(job, "it is being deleted already")).collect();
        let jobs: Vec<String> = jobs.into_iter().collect();
        let _together = self.store.together();
        self.delete(&jobs);
        // Those as well that a job had too many before, and that have not stopped yet.
        let late = jobs.iter().flat_map(|job| self.index.leaving(job));
        let goals = ids.into_iter().chain(leaving).chain(late).map(|id| (id, Goal::Gone)).collect();
        done.changes = jobs.into_iter().map(deleted).collect::<Vec<Change>>();
        Ok((goals, done))
    }

    /// The jobs of these instances, beside those that are known: they are deleted as a whole.
    fn whole_jobs(&self, ids: &[InstanceId], known: &BTreeSet<String>) -> Result<BTreeSet<String>, Refusal> {
        let selected: BTreeSet<InstanceId> = ids.iter().copied().collect();
        let jobs = ids.iter().filter_map(|id| self.index.members.get(id)).map(|member| &member.job);
        let mut others = BTreeSet::new();
        for job in jobs.filter(|job| !known.contains(*job)) {
            let Some(entry) = self.index.entry(job) else { continue };
            if !entry.instances.values().all(|id| selected.contains(id)) {
                let refusal = Refusal::new(RefusalKind::Invalid, format!("{job} has more instances than these"));
                return Err(
                    refusal.with_hint(&format!("a job is deleted as a whole; for fewer: sandhog scale {job} N"))
                );
            }
            others.insert(job.clone());
        }
        Ok(others)
    }

    /// A guest has no signals: it is asked to stop, ended, paused or resumed.
    fn signal_some(
        &mut self,
        meant: &Meant,
        signal: &str,
        mut done: VerbResult,
    ) -> Result<(Goals, VerbResult), Refusal> {
        let name = signal.strip_prefix("SIG").unwrap_or(signal);
        if !["TERM", "INT", "HUP", "KILL", "STOP", "CONT"].contains(&name) {
            let sentence = format!("a guest has no signal \"{}\"", escape(signal));
            let hint = "TERM, INT and HUP ask it to stop, KILL ends it, STOP pauses it, CONT resumes it; \
                        for anything else, send it a message";
            return Err(Refusal::new(RefusalKind::Invalid, sentence).with_hint(hint));
        }
        done.unchanged = self.without_instance(&meant.jobs);
        let ids: Vec<InstanceId> = meant.ids.iter().chain(&meant.leaving).copied().collect();
        for id in &ids {
            let problem = match self.attempt_of(*id) {
                Some(attempt) => self.signal(attempt, name).err(),
                None => Some("it does not run"),
            };
            let named = problem.and_then(|problem| Some(format!("{}: {problem}", self.name_of(*id)?)));
            done.problems.extend(named);
        }
        // It is on its way; what becomes of it is the supervisor's.
        Ok((ids.into_iter().map(|id| (id, Goal::Sent)).collect(), done))
    }

    /// `name` is one of those that there are.
    ///
    /// # Errors
    /// Why it could not be sent, as the end of a sentence.
    fn signal(&mut self, attempt: AttemptNumber, name: &str) -> Result<(), &'static str> {
        match name {
            "KILL" => self.request_stop(attempt, StopRequest::SigKill),
            "STOP" | "CONT" => return self.pause(attempt, name == "STOP"),
            _ => self.request_stop(attempt, StopRequest::Stop(StopReason::Operator)),
        }
        Ok(())
    }

    /// The worker is held, or goes on; the fleet expects nothing of one that is held.
    fn pause(&mut self, attempt: AttemptNumber, paused: bool) -> Result<(), &'static str> {
        if !self.set_paused(attempt, paused) {
            return Err("its guest has not begun yet");
        }
        self.step(Event::Paused { attempt, paused });
        Ok(())
    }

    /// Those of the instances for which there is nothing to do. `reason` looks at one, and at whether it has a schedule.
    pub(super) fn unchanged(
        &self,
        ids: &[InstanceId],
        reason: impl Fn(&Seen, bool) -> Option<String>,
    ) -> Vec<Unchanged> {
        let one = |id: &InstanceId| {
            let reason = reason(&self.fleet.see(*id)?, self.overlap_of(*id).is_some())?;
            self.unchanged_one(*id, reason)
        };
        ids.iter().filter_map(one).collect()
    }

    fn unchanged_one(&self, id: InstanceId, reason: String) -> Option<Unchanged> {
        let member = self.index.members.get(&id)?;
        Some(Unchanged { job: member.job.clone(), instance: Some(member.number), reason: escape(&reason).into_owned() })
    }

    fn without_instance(&self, jobs: &BTreeSet<String>) -> Vec<Unchanged> {
        let is_empty = |job: &&String| self.index.entry(job).is_some_and(|entry| entry.instances.is_empty());
        jobs.iter().filter(is_empty).map(|job| whole(job.clone(), "it has no instance")).collect()
    }

    /// How people call an instance.
    fn name_of(&self, id: InstanceId) -> Option<String> {
        self.index.members.get(&id).map(super::index::Member::name)
    }

    fn attempt_of(&self, id: InstanceId) -> Option<AttemptNumber> {
        self.fleet.see(id)?.attempt
    }

    /// What its runs by a schedule do when they meet; None: it has none.
    fn overlap_of(&self, id: InstanceId) -> Option<Overlap> {
        self.index.service_of(id)?.rules.overlap
    }
}

/// A job as a whole, for which there is nothing to do.
pub(super) fn whole(job: String, reason: &str) -> Unchanged {
    Unchanged { job, instance: None, reason: reason.into() }
}

/// Why there is nothing to do to bring it up by this verb.
pub(super) fn up_already(verb: Verb, seen: &Seen, scheduled: bool) -> Option<String> {
    let starts = verb == Verb::Start;
    match seen.phase {
        Phase::Scheduled => Some("it waits for its time by the schedule already".into()),
        Phase::Waiting => Some(format!("it waits already, {}", seen.reason.as_deref().unwrap_or_default())),
        Phase::Running if starts => Some("it runs already".into()),
        Phase::Starting if starts => Some("it starts already".into()),
        Phase::Running | Phase::Starting if verb == Verb::Reload && scheduled => {
            Some("it has a schedule: its next run is new anyway".into())
        }
        Phase::Running
        | Phase::Starting
        | Phase::Idle
        | Phase::Stopping
        | Phase::Backoff
        | Phase::Stopped
        | Phase::Failed
        | Phase::Unknown(_) => None,
    }
}

/// Why there is nothing to stop.
fn down_already(seen: &Seen) -> Option<String> {
    match seen.phase {
        Phase::Stopped => Some("it is stopped already".into()),
        Phase::Idle if seen.finished => Some("it has finished already".into()),
        Phase::Idle => Some("it does not run".into()),
        Phase::Waiting
        | Phase::Scheduled
        | Phase::Starting
        | Phase::Running
        | Phase::Stopping
        | Phase::Backoff
        | Phase::Failed
        | Phase::Unknown(_) => None,
    }
}
