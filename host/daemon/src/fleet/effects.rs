//! Does what the supervisor says, and tells those who watch.

use super::actor::{Connection, Daemon, Running};
use super::attempt_observer::AttemptObserver;
use super::fronts::{is_alone, run_place};
use super::logs::Origin;
use super::mailbox::Mailbox;
use super::message::Message;
use super::sample::Use;
use super::store::InstanceRow;
use sandhog_protocol::causes;
use sandhog_protocol::plan::Identity;
use sandhog_protocol::verdict::{LostCause, Verdict};
use sandhog_runtime::attempt_id;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::granted::Settled;
use sandhog_runtime::record::VerdictRecord;
use sandhog_runtime::run::Kept;
use sandhog_runtime::stop::{StopRequest, StopRequests};
use sandhog_runtime::zygote::shared::Family;
use sandhog_spec::service::{Boosts, Service};
use sandhog_supervisor::outcome;
use sandhog_supervisor::state::{Action, AttemptNumber, End, InstanceId};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// What an attempt is begun with.
#[derive(Clone, Copy)]
struct Begin<'a> {
    service: &'a Arc<Service>,
    settled: &'a Result<Arc<Settled>, String>,
    /// Of its job.
    instances: usize,
    boosts: Boosts,
    observer: &'a Arc<AttemptObserver>,
}

impl Daemon {
    pub(super) fn execute(&mut self, action: Action) {
        match action {
            Action::Spawn { id, attempt, boosts } => self.spawn(id, attempt, boosts),
            Action::Stop { attempt, reason } => self.stop(attempt, &reason),
            Action::Kill { attempt, reason } => self.request_stop(attempt, StopRequest::at_once(&reason)),
            Action::Check { attempt } => self.check(attempt),
            Action::Tell { id, notice } => self.tell(id, &notice),
            Action::Save { id } => self.save(id),
            Action::Removed { id } => self.removed(id),
            Action::Over => self.is_over = true,
        }
    }

    /// Starts an attempt: nothing here waits, and whatever goes wrong is a verdict of it.
    fn spawn(&mut self, id: InstanceId, attempt: AttemptNumber, boosts: Boosts) {
        let (Some(entry), Some(member)) = (self.index.entry_of(id), self.index.members.get(&id)) else { return };
        let (service, settled) = (Arc::clone(&entry.service), entry.settled.clone());
        let instances = entry.instances.len();
        let restarts = self.fleet.see(id).map_or(0, |seen| seen.restarts);
        let identity = attempt_id::new_attempt_id().map(|name| Identity {
            attempt: name,
            job: service.job.name.clone(),
            instance: member.number,
            number: u32::try_from(restarts).unwrap_or(u32::MAX).saturating_add(1),
            ..Identity::default()
        });
        let name = identity.as_ref().map_or_else(|_| String::new(), |identity| identity.attempt.clone());
        let origin = Origin { job: service.job.name.clone(), instance: member.number, attempt: name };
        let attempt_observer =
            Arc::new(AttemptObserver::new(attempt, origin, service.logs, self.logs.clone(), self.inbox.clone()));
        let (stop_request, stop_requests) = watch::channel(None);
        let begin = Begin { service: &service, settled: &settled, instances, boosts, observer: &attempt_observer };
        let is_alone = service.job.http.as_ref().is_some_and(is_alone);
        let ours = match is_alone {
            true => self.begin_place(&begin, identity, stop_requests),
            false => self.begin_worker(&begin, identity, stop_requests),
        };
        if service.rules.recycle_memory_bytes.is_some() && !is_alone {
            self.weighed.insert(attempt);
        }
        let settled = settled.ok();
        let running = Running {
            id,
            stop_request,
            attempt_observer,
            connection: ours,
            service,
            settled,
            used: Use::default(),
            paused: false,
            wish: None,
        };
        self.running.insert(attempt, running);
        // Where this process is killed, the next daemon knows what it took along.
        self.save(id);
    }

    /// An attempt with a worker of its own.
    fn begin_worker(
        &mut self,
        begin: &Begin<'_>,
        identity: Result<Identity, impl std::error::Error + 'static>,
        stop_requests: StopRequests,
    ) -> Connection {
        let Begin { service, settled, instances, boosts, observer } = *begin;
        let opened = match (settled, &service.job.http) {
            (Ok(_), Some(http)) => self
                .serve(observer.number, &observer.origin, service, http)
                .map(|(theirs, server)| (Some(theirs), Connection::Server(server))),
            (Err(_), _) | (_, None) => Ok(self.mailbox(observer.number)),
        };
        let (opened, ours) = match opened {
            Ok((theirs, ours)) => (Ok(theirs), ours),
            Err(verdict) => (Err(verdict), Connection::None),
        };
        let listeners = match settled {
            Ok(_) => self.ports_of(service).map_err(no_port),
            Err(_) => Ok(Vec::new()),
        };
        let opened = opened.and_then(|connection| Ok((connection, listeners?)));
        let kept = match (identity, settled, opened) {
            (Err(error), ..) => Err(no_id(&error)),
            (Ok(_), Err(reason), _) => Err(Verdict::Refused { reason: reason.clone() }),
            (Ok(_), Ok(_), Err(verdict)) => Err(verdict),
            (Ok(identity), Ok(settled), Ok((connection, listeners))) => Ok(Kept {
                job: boosts.applied_to(service.job.clone()),
                granted: settled.job.clone(),
                listeners,
                identity,
                family: family(service, settled, instances),
                connection,
                observer: observer.clone(),
                keeper: observer.clone(),
                grace: service.rules.grace,
                group: self.group_of(service),
            }),
        };
        let (coordinator, starts) = (Arc::clone(&self.coordinator), Arc::clone(&self.starts));
        tokio::spawn(run(coordinator, starts, kept, Arc::clone(observer), stop_requests));
        ours
    }

    /// An attempt that has a process for each connection. What a retry has raised is for those that have a worker of their own.
    fn begin_place(
        &mut self,
        begin: &Begin<'_>,
        identity: Result<Identity, impl std::error::Error + 'static>,
        stop_requests: StopRequests,
    ) -> Connection {
        let Begin { service, settled, instances, observer, boosts: _ } = *begin;
        let opened = match (identity, settled) {
            (Err(error), _) => Err(no_id(&error)),
            (Ok(_), Err(reason)) => Err(Verdict::Refused { reason: reason.clone() }),
            (Ok(_), Ok(settled)) => self.serve_alone(observer, service, settled, instances),
        };
        let (order, ours) = match opened {
            Ok((order, server)) => {
                (Ok((order, service.job.clone(), self.group_of(service))), Connection::Server(server))
            }
            Err(verdict) => (Err(verdict), Connection::None),
        };
        let (coordinator, starts) = (Arc::clone(&self.coordinator), Arc::clone(&self.starts));
        tokio::spawn(run_place(coordinator, starts, order, Arc::clone(observer), stop_requests));
        ours
    }

    /// The worker's end of a connection for messages, and ours; without one where there are no descriptors left, which the
    /// start will say.
    fn mailbox(&self, attempt: AttemptNumber) -> (Option<OwnedFd>, Connection) {
        let opened = sandhog_channel::pair().ok().and_then(|(theirs, ours)| {
            let mailbox = Mailbox::open(ours, attempt, self.inbox.clone()).ok()?;
            Some((theirs, mailbox))
        });
        opened.map_or((None, Connection::None), |(theirs, mailbox)| (Some(theirs), Connection::Mailbox(mailbox)))
    }

    fn stop(&mut self, attempt: AttemptNumber, reason: &End) {
        // One that is paused can't hear it.
        if self.running.get(&attempt).is_some_and(|running| running.paused) {
            self.set_paused(attempt, false);
        }
        // No client is given to it from here on.
        if let Some(server) = self.running.get(&attempt).and_then(|running| running.connection.server()) {
            server.finish();
        }
        self.request_stop(attempt, StopRequest::gently(reason));
    }

    pub(super) fn request_stop(&self, attempt: AttemptNumber, stop_request: StopRequest) {
        if let Some(running) = self.running.get(&attempt) {
            running.stop_request.send_if_modified(|now| {
                let is_stronger = matches!(now, None | Some(StopRequest::Stop(_))) && *now != Some(stop_request);
                is_stronger.then(|| *now = Some(stop_request)).is_some()
            });
        }
    }

    /// Pauses the worker of an attempt, or lets it go on; false where it has not begun, so that there is nothing to pause.
    /// However often that is asked for, one request is on its way to the spawner at a time, and only the last wish counts.
    pub(super) fn set_paused(&mut self, attempt: AttemptNumber, paused: bool) -> bool {
        let Some(running) = self.running.get_mut(&attempt) else { return false };
        if paused && running.attempt_observer.worker().is_none() {
            return false;
        }
        running.paused = paused;
        match (&running.wish, running.attempt_observer.worker()) {
            (Some(wish), _) => drop(wish.send_replace(paused)),
            (None, Some(started)) if paused => {
                let (wish, wished) = watch::channel(paused);
                running.wish = Some(wish);
                tokio::spawn(pause_as_wished(Arc::clone(&self.coordinator), started.worker, wished));
            }
            (None, _) => {}
        }
        true
    }

    /// Runs the command of a health check, or makes its request.
    fn check(&self, attempt: AttemptNumber) {
        let Some(running) = self.running.get(&attempt) else { return };
        if running.service.rules.health_request.is_some() {
            return self.ask_for_health(attempt);
        }
        // Rules of now, where the job has been given others meanwhile.
        let entry = self.index.entry_of(running.id);
        let service = entry.map_or(&running.service, |entry| &entry.service);
        let settled = entry.and_then(|entry| entry.settled.as_ref().ok()).or(running.settled.as_ref());
        let granted = settled.and_then(|settled| settled.check.clone());
        let (Some(check), Some(granted)) = (service.check.clone(), granted) else { return };
        let (coordinator, permits, inbox) =
            (Arc::clone(&self.coordinator), Arc::clone(&self.checks), self.inbox.clone());
        tokio::spawn(async move {
            let _permit = permits.acquire_owned().await;
            let record = coordinator.run_check(&check.job, granted, coordinator.stopped()).await;
            let healthy = record.is_ok_and(|record| matches!(record.verdict, Verdict::Completed { .. }));
            let _ = inbox.send(Message::Checked { attempt, healthy });
        });
    }

    pub(super) fn save(&mut self, id: InstanceId) {
        self.touched.insert(id);
        let (Some(seen), Some(member)) = (self.fleet.see(id), self.index.members.get(&id)) else { return };
        // What leaves is none of its job's any more, nor of another one's of the same name.
        if !self.index.is_kept(id) {
            return;
        }
        let row = InstanceRow {
            id,
            instance: member.number,
            wanted: seen.wanted,
            failed: seen.failed,
            finished: seen.finished,
            attempt: seen.attempt.and_then(|attempt| self.running.get(&attempt)).map(Running::name),
            restarts: seen.restarts,
        };
        self.store.put_instance(&member.job, row);
    }

    fn removed(&mut self, id: InstanceId) {
        self.touched.insert(id);
        self.store.delete_instance(id);
        let Some(member) = self.index.members.remove(&id) else { return };
        self.shared.removed(id, &member.group);
        self.fronts.look_at(&member.job);
        self.ports.changed.insert(member.job.clone());
        // With the last one of a job that is deleted goes its log.
        if self.index.forget(id, &member) {
            self.remove_logs(&member.job);
        }
    }

    pub(super) fn remove_logs(&self, job: &str) {
        self.logs.remove(job.to_owned());
        self.access.remove(job.to_owned());
    }
}

/// Has a worker paused and resumed as it is wished, until its attempt has ended.
async fn pause_as_wished(coordinator: Arc<Coordinator>, worker: u32, mut wished: watch::Receiver<bool>) {
    let mut is_paused = false;
    wished.mark_changed();
    while wished.changed().await.is_ok() {
        let paused = *wished.borrow_and_update();
        if std::mem::replace(&mut is_paused, paused) != paused {
            coordinator.pause(worker, paused).await;
        }
    }
}

/// One attempt, from waiting for its turn to its verdict.
async fn run(
    coordinator: Arc<Coordinator>,
    starts: Arc<Semaphore>,
    kept: Result<Kept, Verdict>,
    attempt_observer: Arc<AttemptObserver>,
    mut stop_requests: StopRequests,
) {
    let record = match kept {
        Ok(kept) => {
            let (name, job) = (kept.identity.attempt.clone(), kept.job.name.clone());
            let verdict = |verdict| VerdictRecord::new(verdict, name.clone(), job.clone());
            tokio::select! {
                biased;
                Ok(stop_request) = async { stop_requests.clone().wait_for(Option::is_some).await.map(|request| *request) } => {
                    verdict(outcome::never_began(stop_request.map(StopRequest::cause)))
                }
                Ok(permit) = starts.acquire_owned() => {
                    attempt_observer.hold(permit);
                    stop_requests.mark_unchanged();
                    let record = coordinator.run_kept(kept, stop_requests).await;
                    record.unwrap_or_else(|error| verdict(Verdict::Refused { reason: causes::one_line(&error) }))
                }
                else => verdict(outcome::never_began(None)),
            }
        }
        Err(verdict) => {
            VerdictRecord::new(verdict, attempt_observer.origin.attempt.clone(), attempt_observer.origin.job.clone())
        }
    };
    attempt_observer.let_others_start();
    let _ = attempt_observer.inbox.send(Message::Ended { attempt: attempt_observer.number, record: Box::new(record) });
}

fn no_id(error: &(dyn std::error::Error + 'static)) -> Verdict {
    let reason = format!("there is no id for another attempt: {}", causes::one_line(error));
    Verdict::Lost { reason, cause: LostCause::Machine }
}

/// It may be otherwise at the next try.
fn no_port(reason: String) -> Verdict {
    Verdict::Lost { reason, cause: LostCause::Machine }
}

/// The zygotes that an instance shares with the others of its job, where it does: jobs that ask for it, and those that serve HTTP,
/// whose instances come and go with the load. One more than these has room: a replacement.
fn family(service: &Service, settled: &Settled, instances: usize) -> Option<Family> {
    let slots = u32::try_from(instances).unwrap_or(u32::MAX).saturating_add(1);
    let shares = service.rules.shared_zygote || service.job.http.is_some();
    shares.then(|| Family { zygotes: Arc::clone(&settled.zygotes), slots })
}
