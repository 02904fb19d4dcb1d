//! What sessions ask for, answered.

use super::actor::{Connection, Daemon};
use super::fronts::Server;
use super::mailbox::{Mailbox, Outgoing, message_of};
use super::metrics::Snapshot;
use super::refusal::{Refusal, RefusalKind};
use super::request::{Reply, Request, Verb, Wanted};
use super::select::{Selected, select};
use super::settle::{Known, Named, Opened};
use sandhog_protocol::control::{
    Daemon as About, EventKind, Instance, Job, JobSummary, Phase, RaisedLimit, SendReply, SendRequest,
};
use sandhog_spec::service::{Boosts, raised};
use sandhog_spec::text::escape;
use sandhog_spec::time;
use sandhog_supervisor::state::{Event, InstanceId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Longest wait for a job's answer.
const ANSWER_MAX: Duration = Duration::from_secs(3600);

impl Daemon {
    pub(super) fn request(&mut self, request: Request) {
        // Whoever asked may have gone: then nobody gets the answer.
        match request {
            Request::About(reply) => drop(reply.send(Ok(self.about()))),
            Request::Instances(words, reply) => drop(reply.send(self.instances(&words))),
            Request::Jobs(words, reply) => drop(reply.send(self.lines(&words))),
            Request::Job(name, reply) => drop(reply.send(self.job(&name))),
            Request::Objects(reply) => self.look_at_objects(reply),
            Request::Known(names, reply) => drop(reply.send(Ok(self.known(&names)))),
            Request::Apply(prepared, reply) => self.apply(prepared, reply),
            Request::ToOpen(verb, words, reply) => drop(reply.send(self.to_open(verb, &words))),
            Request::Ask(verb, ask, opened, reply) => self.ask(verb, ask, opened, reply),
            Request::Scale(scale, reply) => self.scale(scale, reply),
            Request::Send(send, reply) => self.send(&send, reply),
            Request::Logs(words, reply) => drop(reply.send(self.wanted(&words))),
            Request::Metrics(reply) => drop(reply.send(self.snapshot())),
            Request::Events(since, last, reply) => drop(reply.send(Ok(self.events.listen(since, last)))),
            Request::ShutDown(reply) => {
                self.tell_of_itself(EventKind::DaemonStopping, "the daemon stops everything and ends");
                self.fronts.end();
                self.ports.end();
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
            state_dir: self.paths.state.to_string_lossy().into_owned(),
            socket: self.paths.socket.to_string_lossy().into_owned(),
            jobs: self.index.jobs().len() as u64,
            instances: self.index.members.len() as u64,
        }
    }

    fn instances(&mut self, words: &[String]) -> Result<Vec<Instance>, Refusal> {
        let ids = self.selected(words)?.ids;
        let now = Instant::now();
        for running in self.running.values_mut().filter(|running| ids.contains(&running.id)) {
            running.look(now);
        }
        Ok(ids.into_iter().filter_map(|id| self.view(id)).collect())
    }

    fn snapshot(&mut self) -> Result<Snapshot, Refusal> {
        let instances = self.instances(&[])?;
        Ok(Snapshot { jobs: self.index.jobs().len(), instances, served: self.fronts.dispatchers() })
    }

    /// No word means all.
    fn selected(&self, words: &[String]) -> Result<Selected, Refusal> {
        let all = ["all".to_owned()];
        select(&self.index, if words.is_empty() { &all } else { words })
    }

    /// The jobs that are meant as a whole.
    fn lines(&self, words: &[String]) -> Result<Vec<JobSummary>, Refusal> {
        let line = |job: String| {
            let entry = self.index.entry(&job)?;
            let (group, instances) = (entry.spec.group.clone(), entry.instances.len() as u64);
            Some(JobSummary { job, group, instances })
        };
        Ok(self.selected(words)?.jobs.into_iter().filter_map(line).collect())
    }

    /// An instance as people see it.
    pub(super) fn view(&self, id: InstanceId) -> Option<Instance> {
        let (seen, member) = (self.fleet.see(id)?, self.index.members.get(&id)?);
        let at_ms = |at: Duration| self.begun_ms.saturating_add(sandhog_spec::units::millis(at));
        let running = seen.attempt.and_then(|attempt| self.running.get(&attempt));
        let started = running.and_then(|running| running.attempt_observer.worker());
        let used = running.and_then(|running| running.used.now());
        let messages = running.and_then(|running| running.connection.mailbox()).map(Mailbox::counts);
        let requests = running.and_then(|running| running.connection.server()).and_then(Server::requests);
        let scheduled = || self.clock.next_of(&member.job).and_then(time::ms);
        Some(Instance {
            id,
            job: member.job.clone(),
            group: member.group.clone(),
            instance: member.number,
            phase: seen.phase,
            reason: seen.failed.or(seen.reason).map(|reason| escape(&reason).into_owned()),
            reloading: seen.reloading,
            paused: running.is_some_and(|running| running.paused),
            since_ms: at_ms(seen.since),
            attempt: running.map(|running| running.attempt_observer.origin.attempt.clone()),
            pid: started.as_ref().and_then(|started| started.process.pid()),
            started_ms: started.as_ref().map(|started| started.at_ms),
            cpu_permille: running.and_then(|running| running.used.cpu_permille),
            cpu_ms: used.map(|used| used.cpu_us / 1000),
            memory_bytes: used.map(|used| used.rss_bytes),
            peak_rss_bytes: used.map(|used| used.peak_rss_bytes),
            messages_received: messages.map(|(received, _)| received),
            messages_sent: messages.map(|(_, sent)| sent),
            restarts: seen.restarts,
            last: member.ends.front().cloned(),
            next_ms: seen.next.map(at_ms).or_else(|| scheduled().filter(|_| seen.phase == Phase::Scheduled)),
            progress: running.and_then(|running| running.attempt_observer.how_far()),
            raised: self.raised(id, &seen.raised),
            requests,
            profile: self.index.entry(&member.job).and_then(|entry| entry.spec.profile.clone()),
        })
    }

    /// The limits that retries have changed.
    fn raised(&self, id: InstanceId, now: &Boosts) -> Vec<RaisedLimit> {
        let Some(service) = self.index.service_of(id) else { return Vec::new() };
        let all = raised(&service.rules.limits, now).into_iter();
        all.map(|(limit, configured, now)| RaisedLimit { limit: limit.into(), configured, now }).collect()
    }

    fn job(&mut self, word: &str) -> Result<Job, Refusal> {
        let selected = select(&self.index, &[word.to_owned()])?;
        let of_ids = selected.ids.iter().filter_map(|id| self.index.members.get(id)).map(|member| member.job.as_str());
        let jobs: BTreeSet<&str> = of_ids.chain(selected.jobs.iter().map(String::as_str)).collect();
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
        let entry = self.index.entry(name).ok_or_else(missing)?;
        let members = entry.instances.values().filter_map(|id| self.index.members.get(id));
        let mut ended: Vec<_> = members.flat_map(|member| member.ends.iter().cloned()).collect();
        ended.sort_by_key(|ended| std::cmp::Reverse(ended.at_ms));
        Ok(Job {
            spec: entry.spec.clone(),
            source: entry.source.clone(),
            settings: entry.service.settings().into_iter().map(|(of, value)| (of.key().to_owned(), value)).collect(),
            instances,
            ended,
            serving: self.fronts.serving(name),
        })
    }

    fn wanted(&self, words: &[String]) -> Result<Wanted, Refusal> {
        if words.is_empty() {
            return Ok(self.index.jobs().keys().map(|name| (name.clone(), None)).collect());
        }
        let mut wanted: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let selected = select(&self.index, words)?;
        // Those without an instance have lines of the past.
        wanted.extend(selected.jobs.into_iter().map(|job| (job, BTreeSet::new())));
        for id in selected.ids {
            if let Some(member) = self.index.members.get(&id) {
                wanted.entry(member.job.clone()).or_default().insert(member.number);
            }
        }
        let is_whole = |job: &str, some: &BTreeSet<u32>| {
            self.index.entry(job).is_some_and(|entry| entry.instances.keys().all(|number| some.contains(number)))
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
        let others = self.index.jobs().iter().filter(|(name, _)| !names.contains(*name));
        let settled = others.filter_map(|(name, entry)| Some((name.clone(), Arc::clone(entry.settled.as_ref().ok()?))));
        Known {
            sources: self.index.jobs().values().filter_map(|entry| entry.source.clone()).collect(),
            others: settled.collect(),
        }
    }

    /// The jobs of what is selected, but for those that a start leaves as they are.
    fn to_open(&self, verb: Verb, words: &[String]) -> Result<Vec<Named>, Refusal> {
        let runs = |id: &InstanceId| self.fleet.see(*id).is_some_and(|seen| seen.attempt.is_some());
        let Selected { ids, jobs: whole, .. } = select(&self.index, words)?;
        let ids = ids.into_iter().filter(|id| verb != Verb::Start || !runs(id));
        let of_ids = ids.filter_map(|id| self.index.members.get(&id).map(|member| member.job.as_str()));
        let is_empty = |job: &&str| self.index.entry(job).is_some_and(|entry| entry.instances.is_empty());
        let jobs: BTreeSet<&str> = of_ids.chain(whole.iter().map(String::as_str).filter(is_empty)).collect();
        let named = |name: &str| Some((name.to_owned(), Arc::clone(&self.index.entry(name)?.service)));
        Ok(jobs.into_iter().filter_map(named).collect())
    }

    /// Takes over what was opened. Returns, of those that could not be, the jobs and sentences: they stay as they are.
    pub(super) fn take_over(&mut self, opened: Opened) -> BTreeMap<String, String> {
        let mut failed = BTreeMap::new();
        for ((job, service), settled) in opened {
            // One that was described anew meanwhile was opened anew as well.
            let is_it = self.index.entry(&job).is_some_and(|entry| Arc::ptr_eq(&entry.service, &service));
            match settled {
                Ok(settled) if is_it => {
                    self.remember(&job, &settled);
                    self.index.settle(&job, settled);
                    if let Err(reason) = self.listen(&service) {
                        failed.insert(job, reason);
                    }
                }
                Err(reason) if is_it => drop(failed.insert(job, reason)),
                Ok(_) | Err(_) => {}
            }
        }
        failed
    }

    fn send(&self, send: &SendRequest, mut reply: Reply<Vec<SendReply>>) {
        match self.sent(send) {
            Ok(posted) => {
                let wait = Duration::from_millis(send.wait_ms).min(ANSWER_MAX);
                tokio::spawn(async move {
                    let until = tokio::time::Instant::now() + wait;
                    let answers = async {
                        let mut answers = Vec::new();
                        for message in posted {
                            answers.push(message.answer(until).await);
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

    fn sent(&self, send: &SendRequest) -> Result<Vec<Posted>, Refusal> {
        let invalid = |sentence: String| Refusal::new(RefusalKind::Invalid, sentence);
        let (format, body) = message_of(&send.message).map_err(invalid)?;
        let mut posted = Vec::new();
        for id in select(&self.index, &send.select)?.ids {
            let Some(member) = self.index.members.get(&id) else { continue };
            let (answer, answered) = oneshot::channel();
            let (sent, was_sent) = oneshot::channel();
            let message = Outgoing { format, body: body.clone(), answer: (send.wait_ms > 0).then_some(answer), sent };
            let running =
                self.fleet.see(id).and_then(|seen| seen.attempt).and_then(|attempt| self.running.get(&attempt));
            let problem = match running.map(|running| &running.connection) {
                None | Some(Connection::None) => Some("not sent: it does not run"),
                Some(Connection::Server(_)) => Some("not sent: it serves HTTP, and reads no messages"),
                Some(Connection::Mailbox(mailbox)) => mailbox
                    .post(message)
                    .err()
                    .map(|_| "not sent: it has not read what was sent to it before, or has closed its connection"),
            };
            posted.push(Posted {
                answer: SendReply {
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

/// A message that is on its way.
struct Posted {
    answer: SendReply,
    was_sent: oneshot::Receiver<Result<(), String>>,
    answered: Option<oneshot::Receiver<Result<String, String>>>,
}

impl Posted {
    /// What became of it.
    async fn answer(self, until: tokio::time::Instant) -> SendReply {
        let Self { mut answer, was_sent, answered } = self;
        if answer.error.is_some() {
            return answer;
        }
        let gone = || "it has ended, or closed its connection".to_owned();
        match (was_sent.await, answered) {
            (Err(_), _) => answer.error = Some(gone()),
            (Ok(Err(reason)), _) => answer.error = Some(format!("not sent: {reason}")),
            (Ok(Ok(())), None) => {}
            (Ok(Ok(())), Some(answered)) => match tokio::time::timeout_at(until, answered).await {
                Err(_) => answer.error = Some("sent, but it has not answered in time".into()),
                Ok(Err(_)) => answer.error = Some(gone()),
                Ok(Ok(Err(reason))) => answer.error = Some(reason),
                Ok(Ok(Ok(text))) => answer.message = Some(text),
            },
        }
        answer
    }
}
