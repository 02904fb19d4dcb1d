//! Where the daemon's jobs listen: sockets for those that are to serve, and none for those of which nothing is up.
//!
//! Must not: know who gets which connection.

use super::actor::Daemon;
use super::attempt_observer::AttemptObserver;
use super::fronts::{Order, Server, Socket};
use super::logs::Origin;
use super::message::Message;
use super::ports::Port;
use super::refusal::{Refusal, RefusalKind};
use sandhog_protocol::causes;
use sandhog_protocol::control::{EventKind, Phase};
use sandhog_protocol::verdict::{LostCause, Verdict};
use sandhog_runtime::granted::Settled;
use sandhog_serve::dispatcher::{Asker, Standing};
use sandhog_serve::health;
use sandhog_spec::http::Http;
use sandhog_spec::service::{HealthRequest, Service};
use sandhog_supervisor::state::{AttemptNumber, Event, Seen};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::watch::Receiver;

/// For jobs that are to listen, by their names.
pub(super) type Sockets = BTreeMap<String, Socket>;
pub(super) type JobPorts = BTreeMap<String, Vec<Arc<Port>>>;

/// What a worker is asked, and by which way.
struct Question {
    asker: Asker,
    standing: Receiver<Standing>,
    request: HealthRequest,
}

impl Daemon {
    /// Sockets for jobs that accept clients themselves and are to be as these services say, all or none. `gone`: jobs that are to
    /// be there no more.
    pub(super) fn prepare_ports<'a>(
        &self,
        services: impl Iterator<Item = &'a Service> + Clone,
        gone: &[String],
    ) -> Result<JobPorts, Refusal> {
        let listens = |service: &&Service| service.instances > 0 && !service.job.grants.net.listen.is_empty();
        let listening = services.clone().filter(listens);
        let others: BTreeMap<&str, &Service> = services.map(|service| (service.job.name.as_str(), service)).collect();
        let mut ports = JobPorts::new();
        for service in listening {
            let (job, asked) = (&service.job.name, &service.job.grants.net.listen);
            // One that is to be there and listen elsewhere gives up what it has.
            let is_free = |holder: &str| match others.get(holder) {
                Some(other) => !other.job.grants.net.listen.iter().any(|at| asked.contains(at)),
                None => gone.iter().any(|job| job == holder),
            };
            let opened = self.ports.prepare(&self.fronts, job, asked, is_free);
            let refused =
                |reason| Refusal::new(RefusalKind::Conflict, format!("the job {job}: net = \"listen:{reason}\""));
            ports.insert(job.clone(), opened.map_err(refused)?);
        }
        Ok(ports)
    }

    /// The job listens with these from now on.
    pub(super) fn use_ports(&mut self, job: &str, ports: Vec<Arc<Port>>) {
        for address in self.ports.put(job, ports) {
            self.tell_about_job(job, EventKind::Listening, &format!("listens at {address}"));
        }
    }

    /// The sockets for an attempt of this service, which listen from now on if they do not yet.
    ///
    /// # Errors
    /// Why it can't listen, and what to do about it.
    pub(super) fn ports_of(&mut self, service: &Service) -> Result<Vec<Arc<OwnedFd>>, String> {
        let (job, asked) = (&service.job.name, &service.job.grants.net.listen);
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let ports = self.ports.prepare(&self.fronts, job, asked, |_| false);
        self.use_ports(job, ports.map_err(|reason| format!("net = \"listen:{reason}\""))?);
        Ok(self.ports.sockets(job))
    }

    /// Closes the ports of jobs of which nothing is up, and nothing is about to be.
    pub(super) fn keep_ports(&mut self) {
        let mut changed = std::mem::take(&mut self.ports.changed);
        let members = self.touched.iter().filter_map(|id| self.index.members.get(id));
        changed.extend(members.filter(|it| self.ports.jobs.contains_key(&it.job)).map(|it| it.job.clone()));
        for job in changed {
            let is_up = self.index.entry(&job).is_some_and(|entry| {
                let listens = !entry.service.job.grants.net.listen.is_empty();
                listens && entry.instances.values().any(|id| self.fleet.see(*id).as_ref().is_some_and(is_up))
            });
            if !is_up {
                for address in self.ports.close(&job) {
                    self.tell_about_job(&job, EventKind::Closed, &format!("no longer listens at {address}"));
                }
            }
        }
    }

    /// Sockets for jobs that are to be as these services say, all or none. `gone`: jobs that are to be there no more.
    pub(super) fn prepare_sockets<'a>(
        &self,
        services: impl Iterator<Item = &'a Service>,
        gone: &[String],
    ) -> Result<Sockets, Refusal> {
        let serving: BTreeMap<&str, SocketAddr> = services
            .filter(|service| service.instances > 0)
            .filter_map(|service| Some((service.job.name.as_str(), service.job.http.as_ref()?.listen)))
            .collect();
        let mut sockets = BTreeMap::new();
        for (job, asked) in &serving {
            // Not one that keeps its address: that one has it.
            let is_free = |holder: &str| match serving.get(holder) {
                Some(other) => other != asked,
                None => gone.iter().any(|job| job == holder),
            };
            let twin = serving.iter().find(|(other, at)| *at == asked && asked.port() != 0 && *other < job);
            let own = self.ports.holder(*asked).map(|(holder, port)| (holder, port.address));
            let socket = match (twin, own) {
                (Some((other, _)), _) => {
                    Err(format!("the job {other} is to listen there as well: choose another port"))
                }
                (None, Some((holder, at))) => {
                    Err(format!("the job {holder} listens at {at}: choose another port for one of the two"))
                }
                (None, None) => self.fronts.prepare(job, *asked, is_free),
            };
            let refused =
                |reason| Refusal::new(RefusalKind::Conflict, format!("the job {job}: listen = \"{asked}\": {reason}"));
            sockets.insert((*job).to_owned(), socket.map_err(refused)?);
        }
        Ok(sockets)
    }

    /// The job listens with this socket from now on.
    pub(super) fn use_socket(&mut self, job: &str, http: &Http, socket: Socket) {
        if let Some(address) = self.fronts.put(job, http, socket) {
            self.tell_about_job(job, EventKind::Listening, &format!("listens at {address}"));
        }
    }

    /// Has a job listen where its service says, if it does not yet.
    ///
    /// # Errors
    /// Why it can't, and what to do about it.
    pub(super) fn listen(&mut self, service: &Service) -> Result<(), String> {
        self.ports_of(service)?;
        let Some(http) = &service.job.http else { return Ok(()) };
        let job = &service.job.name;
        let socket = self.fronts.prepare(job, http.listen, |_| false);
        let socket = socket.map_err(|reason| format!("listen = \"{}\": {reason}", http.listen))?;
        self.use_socket(job, http, socket);
        Ok(())
    }

    /// An attempt that serves is to begin: the worker's end of its connection, and ours.
    ///
    /// # Errors
    /// The job can't listen, or there is no descriptor left. Either may be otherwise at the next try.
    pub(super) fn serve(
        &mut self,
        attempt: AttemptNumber,
        origin: &Origin,
        service: &Service,
        http: &Http,
    ) -> Result<(OwnedFd, Server), Verdict> {
        self.listen(service).map_err(lost)?;
        let failed = |error: io::Error| lost(format!("it gets no connection: {}", causes::one_line(&error)));
        self.fronts.join(attempt, origin, service, http).map_err(failed)
    }

    /// The same for one that has a process for each connection: what it is made of, and ours.
    ///
    /// # Errors
    /// As [`Self::serve`].
    pub(super) fn serve_alone(
        &mut self,
        observer: &Arc<AttemptObserver>,
        service: &Service,
        settled: &Arc<Settled>,
        instances: usize,
    ) -> Result<(Order, Server), Verdict> {
        self.listen(service).map_err(lost)?;
        let instances = u32::try_from(instances).unwrap_or(u32::MAX);
        let placed = self.fronts.place(observer, service, settled, instances);
        placed.ok_or_else(|| lost("it is not there any more".into()))
    }

    /// An attempt says that it is ready. Where its health is asked for, it is when it has answered well.
    pub(super) fn said_ready(&mut self, attempt: AttemptNumber) {
        let Some(Question { asker, standing, request }) = self.question(attempt) else {
            return self.step(Event::Ready { attempt });
        };
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            if health::admit(&asker, standing, &request).await {
                let _ = inbox.send(Message::Healthy { attempt });
            }
        });
    }

    /// Makes the request of a health check.
    pub(super) fn ask_for_health(&self, attempt: AttemptNumber) {
        let Some(Question { asker, request, .. }) = self.question(attempt) else { return };
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            let healthy = health::is_well(&asker, &request).await;
            let _ = inbox.send(Message::Checked { attempt, healthy });
        });
    }

    /// By the rules that the attempt was started with: another version may have another path.
    fn question(&self, attempt: AttemptNumber) -> Option<Question> {
        let running = self.running.get(&attempt)?;
        let request = running.service.rules.health_request.clone()?;
        let (asker, standing) = running.connection.server()?.question()?;
        Some(Question { asker, standing, request })
    }

    /// Closes the ports of jobs of which nothing is up, and nothing is about to be: clients are to be refused, not to wait.
    pub(super) fn keep_fronts(&mut self) {
        let mut changed = std::mem::take(&mut self.fronts.changed);
        let members = self.touched.iter().filter_map(|id| self.index.members.get(id));
        changed.extend(members.filter(|it| self.fronts.jobs.contains_key(&it.job)).map(|it| it.job.clone()));
        for job in changed {
            match self.index.entry(&job) {
                Some(entry) if entry.service.job.http.is_some() => {
                    let is_up = entry.instances.values().any(|id| self.fleet.see(*id).as_ref().is_some_and(is_up));
                    if !is_up && let Some(address) = self.fronts.close(&job) {
                        self.tell_about_job(&job, EventKind::Closed, &format!("no longer listens at {address}"));
                    }
                }
                Some(_) | None => self.fronts.remove(&job),
            }
        }
    }
}

/// Whether somebody serves, or will before long.
fn is_up(seen: &Seen) -> bool {
    match seen.phase {
        Phase::Waiting | Phase::Starting | Phase::Running | Phase::Backoff => true,
        // Another attempt follows.
        Phase::Stopping => seen.wanted,
        Phase::Idle | Phase::Scheduled | Phase::Stopped | Phase::Failed | Phase::Unknown(_) => false,
    }
}

/// The machine did not give what it takes to serve.
fn lost(reason: String) -> Verdict {
    Verdict::Lost { reason, cause: LostCause::Machine }
}
