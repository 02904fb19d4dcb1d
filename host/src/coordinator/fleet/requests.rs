//! What sessions ask for, answered.

use super::actor::Daemon;
use super::apply::deleted;
use super::mailbox::{Letter, message_of};
use super::select::select;
use super::settle::{Known, Named, Opened};
use super::waits::{Goal, Waiter};
use super::{About, Refusal, RefusalKind, Reply, Request, Verb, Wanted};
use crate::config::text::escape;
use crate::coordinator::run::Halt;
use crate::supervisor::state::{AttemptNumber, Event, InstanceId};
use sandhog_protocol::control::{Answer, Ask, Done, Instance, Job, Phase, Send};
use sandhog_protocol::verdict::StopReason;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Longest wait for a job's answer.
const ANSWER_MOST: Duration = Duration::from_secs(3600);

impl Daemon {
    pub(super) fn request(&mut self, request: Request) {
        // Whoever asked may have gone: then nobody gets the answer.
        match request {
            Request::About(reply) => drop(reply.send(Ok(self.about()))),
            Request::Instances(words, reply) => drop(reply.send(self.instances(&words))),
            Request::Job(name, reply) => drop(reply.send(self.job(&name))),
            Request::Known(names, reply) => drop(reply.send(Ok(self.known(&names)))),
            Request::Apply(prepared, reply) => self.apply(prepared, reply),
            Request::ToOpen(verb, words, reply) => drop(reply.send(self.to_open(verb, &words))),
            Request::Ask(verb, ask, opened, reply) => self.ask(verb, ask, opened, reply),
            Request::Scale(scale, reply) => self.scale(scale, reply),
            Request::Send(send, reply) => self.send(&send, reply),
            Request::Logs(words, reply) => drop(reply.send(self.wanted(&words))),
            Request::Events(since, last, reply) => drop(reply.send(Ok(self.events.listen(since, last)))),
            Request::ShutDown(reply) => {
                self.tell_of_itself("daemon-stopping", "the daemon stops everything and ends");
                self.step(Event::Shutdown);
                drop(reply.send(Ok(())));
            }
        }
    }

    fn about(&self) -> About {
        About {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            started_ms: self.begun_ms,
            state_dir: self.places.state.to_string_lossy().into_owned(),
            socket: self.places.socket.to_string_lossy().into_owned(),
            jobs: self.book.jobs().len() as u64,
            instances: self.book.members.len() as u64,
        }
    }

    fn instances(&mut self, words: &[String]) -> Result<Vec<Instance>, Refusal> {
        let all = ["all".to_owned()];
        let ids = select(&self.book, if words.is_empty() { &all } else { words })?;
        let now = Instant::now();
        for running in self.running.values_mut().filter(|running| ids.contains(&running.id)) {
            running.look(now);
        }
        Ok(ids.into_iter().filter_map(|id| self.view(id)).collect())
    }

    /// An instance as people see it.
    pub(super) fn view(&self, id: InstanceId) -> Option<Instance> {
        let (seen, member) = (self.fleet.see(id)?, self.book.members.get(&id)?);
        let at_ms = |at: Duration| self.begun_ms + at.as_millis() as u64;
        let running = seen.attempt.and_then(|attempt| self.running.get(&attempt));
        let born = running.and_then(|running| running.attending.worker());
        let scheduled = || self.clock.next_of(&member.job).and_then(|at| u64::try_from(at.timestamp_millis()).ok());
        Some(Instance {
            id,
            job: member.job.clone(),
            group: member.group.clone(),
            instance: member.number,
            phase: seen.phase,
            why: seen.failed.or(seen.why).map(|why| escape(&why).into_owned()),
            reloading: seen.reloading,
            paused: running.is_some_and(|running| running.paused),
            since_ms: at_ms(seen.since),
            attempt: running.map(|running| running.attending.origin.attempt.clone()),
            pid: born.and_then(|born| born.pid),
            started_ms: born.map(|born| born.at_ms),
            cpu_permille: running.and_then(|running| running.used.cpu_permille),
            memory_bytes: running.and_then(|running| running.used.memory_bytes),
            restarts: seen.restarts,
            last: member.ends.front().cloned(),
            next_ms: seen.next.map(at_ms).or_else(|| scheduled().filter(|_| seen.phase == Phase::Scheduled)),
            progress: running.and_then(|running| running.attending.how_far()),
        })
    }

    fn job(&mut self, word: &str) -> Result<Job, Refusal> {
        let ids = select(&self.book, &[word.to_owned()])?;
        let jobs: BTreeSet<&str> =
            ids.iter().filter_map(|id| self.book.members.get(id)).map(|member| member.job.as_str()).collect();
        let name = match jobs.iter().collect::<Vec<_>>()[..] {
            [job] => (*job).to_owned(),
            [] => word.to_owned(),
            _ => {
                let sentence = format!("\"{}\" means {} jobs; name one", escape(word), jobs.len());
                return Err(Refusal::new(RefusalKind::Invalid, sentence).with_hint("sandhog ps shows them"));
            }
        };
        let name = name.as_str();
        let instances = self.instances(&[name.to_owned()])?;
        let missing = || {
            let sentence = format!("no job is called \"{}\"", escape(name));
            Refusal::new(RefusalKind::NotFound, sentence).with_hint("sandhog ps shows what there is")
        };
        let entry = self.book.entry(name).ok_or_else(missing)?;
        let members = entry.instances.values().filter_map(|id| self.book.members.get(id));
        let mut ended: Vec<_> = members.flat_map(|member| member.ends.iter().cloned()).collect();
        ended.sort_by_key(|ended| std::cmp::Reverse(ended.at_ms));
        Ok(Job {
            spec: entry.spec.clone(),
            source: entry.source.clone(),
            settings: entry.service.settings(),
            instances,
            ended,
        })
    }

    fn wanted(&self, words: &[String]) -> Result<Wanted, Refusal> {
        if words.is_empty() {
            return Ok(self.book.jobs().keys().map(|name| (name.clone(), None)).collect());
        }
        let mut wanted: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for id in select(&self.book, words)? {
            if let Some(member) = self.book.members.get(&id) {
                wanted.entry(member.job.clone()).or_default().insert(member.number);
            }
        }
        let is_whole = |job: &str, some: &BTreeSet<u32>| {
            self.book.entry(job).is_some_and(|entry| entry.instances.keys().all(|number| some.contains(number)))
        };
        Ok(wanted
            .into_iter()
            .map(|(job, some)| {
                let all = is_whole(&job, &some);
                (job, (!all).then_some(some))
            })
            .collect())
    }

    fn known(&self, names: &BTreeSet<String>) -> Known {
        let others = self.book.jobs().iter().filter(|(name, _)| !names.contains(*name));
        let settled = others.filter_map(|(name, entry)| Some((name.clone(), Arc::clone(entry.settled.as_ref().ok()?))));
        Known {
            sources: self.book.jobs().values().filter_map(|entry| entry.source.clone()).collect(),
            others: settled.collect(),
        }
    }

    /// The jobs of what is selected, but for those that a start leaves as they are.
    fn to_open(&self, verb: Verb, words: &[String]) -> Result<Vec<Named>, Refusal> {
        let runs = |id: &InstanceId| self.fleet.see(*id).is_some_and(|seen| seen.attempt.is_some());
        let ids = select(&self.book, words)?.into_iter().filter(|id| verb != Verb::Start || !runs(id));
        let jobs: BTreeSet<&str> =
            ids.filter_map(|id| self.book.members.get(&id).map(|member| member.job.as_str())).collect();
        let named = |name: &str| Some((name.to_owned(), Arc::clone(&self.book.entry(name)?.service)));
        Ok(jobs.into_iter().filter_map(named).collect())
    }

    /// Takes over what was opened. Returns, of those that could not be, the jobs and sentences: they stay as they are.
    fn take_over(&mut self, opened: Opened) -> BTreeMap<String, String> {
        let mut failed = BTreeMap::new();
        for ((job, service), settled) in opened {
            // One that was described anew meanwhile was opened anew as well.
            let is_it = self.book.entry(&job).is_some_and(|entry| Arc::ptr_eq(&entry.service, &service));
            match settled {
                Ok(settled) if is_it => {
                    self.remember(&job, &settled);
                    self.book.settle(&job, settled);
                }
                Err(why) if is_it => drop(failed.insert(job, why)),
                Ok(_) | Err(_) => {}
            }
        }
        failed
    }

    fn ask(&mut self, verb: Verb, ask: Ask, opened: Opened, reply: Reply<Done>) {
        match self.asked(verb, &ask, opened) {
            Ok((goals, done)) => {
                let waiter = Waiter::new(goals, done, reply);
                if ask.wait { self.wait_for(waiter) } else { self.answer(waiter) }
            }
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    /// Begins what was asked for, and says what each instance is to become.
    fn asked(&mut self, verb: Verb, ask: &Ask, opened: Opened) -> Result<(Goals, Done), Refusal> {
        if ask.select.is_empty() {
            let sentence = "nothing is selected: give names, ids, NAME/INSTANCE, a group, or all";
            return Err(Refusal::new(RefusalKind::Invalid, sentence));
        }
        let mut ids: Vec<InstanceId> = select(&self.book, &ask.select)?.into_iter().collect();
        let failed = self.take_over(opened);
        ids.retain(|id| self.book.members.get(id).is_none_or(|member| !failed.contains_key(&member.job)));
        let problems: Vec<String> = failed.into_iter().map(|(job, why)| format!("{job}: {why}")).collect();
        let done = || Done { problems: problems.clone(), ..Done::default() };
        let goals = |goal| (ids.iter().map(|id| (*id, goal)).collect(), done());
        match verb {
            Verb::Start => {
                self.step(Event::Start { ids: ids.clone() });
                Ok(goals(Goal::Up))
            }
            Verb::Stop => {
                self.step(Event::Stop { ids: ids.clone() });
                Ok(goals(Goal::Down))
            }
            Verb::Restart => {
                let old = |id: &InstanceId| self.fleet.see(*id).and_then(|seen| seen.attempt);
                let goals = ids.iter().map(|id| (*id, Goal::Anew(old(id)))).collect();
                self.step(Event::Restart { ids: ids.clone() });
                Ok((goals, done()))
            }
            Verb::Reload => {
                for id in &ids {
                    if let Some(member) = self.book.members.get_mut(id) {
                        member.reload_problem = None;
                    }
                }
                self.step(Event::Reload { ids: ids.clone() });
                Ok(goals(Goal::Reloaded))
            }
            Verb::Delete => {
                let jobs = self.whole_jobs(&ids)?;
                let _together = self.store.together();
                self.delete(&jobs);
                let changes = jobs.into_iter().map(deleted).collect();
                Ok((goals(Goal::Gone).0, Done { changes, ..Done::default() }))
            }
            Verb::Signal => {
                let problems = self.signal(&ids, ask.signal.as_deref().unwrap_or_default())?;
                // It is on its way; what becomes of it is the supervisor's.
                Ok((goals(Goal::Sent).0, Done { problems, ..Done::default() }))
            }
        }
    }

    /// Jobs are deleted as a whole.
    fn whole_jobs(&self, ids: &[InstanceId]) -> Result<Vec<String>, Refusal> {
        let selected: BTreeSet<InstanceId> = ids.iter().copied().collect();
        let jobs: BTreeSet<&str> =
            ids.iter().filter_map(|id| self.book.members.get(id)).map(|member| member.job.as_str()).collect();
        let mut whole = Vec::new();
        for job in jobs {
            // One that is being deleted already needs no more.
            let Some(entry) = self.book.entry(job) else { continue };
            if !entry.instances.values().all(|id| selected.contains(id)) {
                let refusal = Refusal::new(RefusalKind::Invalid, format!("{job} has more instances than these"));
                return Err(
                    refusal.with_hint(&format!("a job is deleted as a whole; for fewer: sandhog scale {job} N"))
                );
            }
            whole.push(job.to_owned());
        }
        Ok(whole)
    }

    /// A guest has no signals: it is asked to stop, ended, paused or resumed. Returns who could not be.
    fn signal(&mut self, ids: &[InstanceId], signal: &str) -> Result<Vec<String>, Refusal> {
        let attempt = |id: &InstanceId| self.fleet.see(*id).and_then(|seen| seen.attempt);
        let (run, rest): (Vec<InstanceId>, Vec<InstanceId>) = ids.iter().partition(|id| attempt(id).is_some());
        let attempts: Vec<AttemptNumber> = run.iter().filter_map(attempt).collect();
        let name = signal.strip_prefix("SIG").unwrap_or(signal);
        for attempt in attempts {
            match name {
                "TERM" | "INT" | "HUP" => self.halt(attempt, Halt::Stop(StopReason::Operator)),
                "KILL" => self.halt(attempt, Halt::Shoot),
                "STOP" => self.set_paused(attempt, true),
                "CONT" => self.set_paused(attempt, false),
                _ => break,
            }
        }
        match name {
            "TERM" | "INT" | "HUP" | "KILL" | "STOP" | "CONT" => {
                let member = |id: &InstanceId| self.book.members.get(id);
                Ok(rest.iter().filter_map(member).map(|member| format!("{}: it does not run", member.name())).collect())
            }
            _ => {
                let sentence = format!("a guest has no signal \"{}\"", escape(signal));
                let hint = "TERM, INT and HUP ask it to stop, KILL ends it, STOP pauses it, CONT resumes it; \
                            for anything else, send it a message";
                Err(Refusal::new(RefusalKind::Invalid, sentence).with_hint(hint))
            }
        }
    }

    fn send(&self, send: &Send, mut reply: Reply<Vec<Answer>>) {
        match self.sent(send) {
            Ok(letters) => {
                let wait = Duration::from_millis(send.wait_ms).min(ANSWER_MOST);
                tokio::spawn(async move {
                    let until = tokio::time::Instant::now() + wait;
                    let answers = async {
                        let mut answers = Vec::new();
                        for letter in letters {
                            answers.push(letter.answer(until).await);
                        }
                        answers
                    };
                    tokio::select! {
                        answers = answers => drop(reply.send(Ok(answers))),
                        // Nobody waits for them any more.
                        () = reply.closed() => {}
                    }
                });
            }
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    fn sent(&self, send: &Send) -> Result<Vec<Posted>, Refusal> {
        let invalid = |sentence: String| Refusal::new(RefusalKind::Invalid, sentence);
        let (format, body) = message_of(&send.message).map_err(invalid)?;
        let mut posted = Vec::new();
        for id in select(&self.book, &send.select)? {
            let Some(member) = self.book.members.get(&id) else { continue };
            let (answer, answered) = oneshot::channel();
            let (sent, was_sent) = oneshot::channel();
            let letter = Letter { format, body: body.clone(), answer: (send.wait_ms > 0).then_some(answer), sent };
            let running =
                self.fleet.see(id).and_then(|seen| seen.attempt).and_then(|attempt| self.running.get(&attempt));
            let problem = match running.and_then(|running| running.mailbox.as_ref()).map(|mailbox| mailbox.post(letter))
            {
                None => Some("not sent: it does not run"),
                Some(Err(_)) => {
                    Some("not sent: it has not read what was sent to it before, or has closed its connection")
                }
                Some(Ok(())) => None,
            };
            posted.push(Posted {
                answer: Answer {
                    id,
                    job: member.job.clone(),
                    instance: member.number,
                    message: None,
                    error: problem.map(Into::into),
                },
                was_sent,
                answered: (send.wait_ms > 0).then_some(answered),
            });
        }
        Ok(posted)
    }
}

/// What instances are to become.
type Goals = Vec<(InstanceId, Goal)>;

/// A message that is on its way.
struct Posted {
    answer: Answer,
    was_sent: oneshot::Receiver<Result<(), String>>,
    answered: Option<oneshot::Receiver<Result<String, String>>>,
}

impl Posted {
    /// What became of it.
    async fn answer(self, until: tokio::time::Instant) -> Answer {
        let Self { mut answer, was_sent, answered } = self;
        if answer.error.is_some() {
            return answer;
        }
        let gone = || "it has ended, or closed its connection".to_owned();
        match (was_sent.await, answered) {
            (Err(_), _) => answer.error = Some(gone()),
            (Ok(Err(why)), _) => answer.error = Some(format!("not sent: {why}")),
            (Ok(Ok(())), None) => {}
            (Ok(Ok(())), Some(answered)) => match tokio::time::timeout_at(until, answered).await {
                Err(_) => answer.error = Some("sent, but it has not answered in time".into()),
                Ok(Err(_)) => answer.error = Some(gone()),
                Ok(Ok(Err(why))) => answer.error = Some(why),
                Ok(Ok(Ok(text))) => answer.message = Some(text),
            },
        }
        answer
    }
}
