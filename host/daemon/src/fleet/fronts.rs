//! Where jobs serve HTTP: of each such job the dispatcher, which owns its connections, and the socket that it listens with. Both
//! outlive attempts, and each other: the dispatcher is there as long as the job is known, the socket as long as something of the
//! job is up or about to be.
//!
//! Must not: read what clients send, decide when a job is up, wait. To listen at a numeric address asks nobody, so the one task
//! does it itself.

mod failures;
mod place;
mod pools;
mod reserved;
mod told;

pub(super) use place::{Order, run as run_place};
pub use reserved::Reserved;

use super::attempt_observer::AttemptObserver;
use super::logs::{Logs, Origin};
use super::message::Inbox;
use place::PlaceHearing;
use pools::Pools;
use sandhog_protocol::causes;
use sandhog_protocol::control::{Requests, Serving};
use sandhog_protocol::plan::Isolation;
use sandhog_runtime::granted::Settled;
use sandhog_serve::dispatcher::{Accepting, Asker, DispatchSettings, Dispatcher, Membership, Standing};
use sandhog_serve::listener::{ListenError, Listener};
use sandhog_spec::http::Http;
use sandhog_spec::service::Service;
use sandhog_supervisor::state::AttemptNumber;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;
use told::Told;

/// Connections of one job that may wait for a worker: as many as one worker has by itself. Each is a descriptor of the daemon's.
const WAITING: usize = 1024;

/// How long: longer than another attempt takes to be there, shorter than clients wait by themselves (most 30 s and more).
const WAITING_FOR: Duration = Duration::from_secs(10);

/// All of them.
pub(super) struct Fronts {
    pub(super) jobs: HashMap<String, Front>,
    access: Logs,
    inbox: Inbox,
    reserved: Reserved,
    /// Jobs of which it is to be looked whether they listen still.
    pub(super) changed: BTreeSet<String>,
    /// The daemon ends: nothing listens any more.
    is_over: bool,
}

/// Of one job.
pub(super) struct Front {
    dispatcher: Dispatcher,
    told: Arc<Told>,
    bounds: DispatchSettings,
    listening: Option<Listening>,
    /// Where each connection has a process of its own.
    pools: Pools,
}

struct Listening {
    /// As the job has it: port 0 is another one in `address`.
    asked: SocketAddr,
    address: SocketAddr,
    /// A duplicate, for a job that takes this address over.
    socket: OwnedFd,
    /// The daemon keeps the address, so that clients have to be refused when this goes.
    pauses: bool,
    /// Accepts, as long as it is there.
    _accepting: Accepting,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if self.pauses {
            // Where that fails clients wait until the job listens again.
            let _ = reserved::pause(&self.socket);
        }
    }
}

/// A socket for a job, from before it is used.
pub(super) enum Socket {
    /// It listens there already.
    Has,
    New(Unused),
    /// That of another job, which is to be there no more, or to listen elsewhere.
    Of(String),
}

/// Listens, and nobody accepts yet.
pub(super) struct Unused {
    listener: Option<Listener>,
    pauses: bool,
}

impl Unused {
    fn take(mut self) -> Option<Listener> {
        self.listener.take()
    }
}

impl Drop for Unused {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.as_ref().filter(|_| self.pauses) {
            // As above.
            let _ = reserved::pause(listener);
        }
    }
}

/// An attempt that serves, as the fleet has it. Dropped: it has ended.
pub(super) struct Server {
    way: Way,
    told: Arc<Told>,
    attempt: String,
}

/// By what an attempt serves.
enum Way {
    Worker(Membership),
    /// A process for each connection, one after the other.
    Place(Arc<PlaceHearing>),
}

impl Server {
    /// It gets no more connections, and ends when it has finished with those that it has.
    pub(super) fn finish(&self) {
        match &self.way {
            Way::Worker(membership) => membership.finish(),
            // Its own task hears that it is to stop.
            Way::Place(_) => {}
        }
    }

    /// The ways to its worker for a question of the daemon's own, where there is one worker.
    pub(super) fn question(&self) -> Option<(Asker, Receiver<Standing>)> {
        match &self.way {
            Way::Worker(membership) => Some((membership.asker(), membership.standing())),
            Way::Place(_) => None,
        }
    }

    pub(super) fn requests(&self) -> Option<Requests> {
        let numbers = self.told.numbers(&self.attempt)?;
        let in_flight = match &self.way {
            Way::Worker(membership) => membership.in_flight().now(),
            Way::Place(hearing) => hearing.in_flight(),
        };
        Some(told::requests(&numbers, in_flight.into()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.told.leave(&self.attempt);
    }
}

impl Fronts {
    /// Lines about requests go to `access`.
    pub(super) fn new(access: Logs, inbox: Inbox, reserved: Reserved) -> Self {
        Self { jobs: HashMap::new(), access, inbox, reserved, changed: BTreeSet::new(), is_over: false }
    }

    /// A socket for a job that is to listen at this address. `is_free`: of another job, whether it gives up where it listens.
    ///
    /// # Errors
    /// Why it can't, and what to do about it.
    pub(super) fn prepare(
        &self,
        job: &str,
        asked: SocketAddr,
        is_free: impl Fn(&str) -> bool,
    ) -> Result<Socket, String> {
        if self.jobs.get(job).and_then(|front| front.listening.as_ref()).is_some_and(|at| at.asked == asked) {
            return Ok(Socket::Has);
        }
        let holder = self.holder(asked);
        let reserved = if holder.is_none() { self.reserved.open(asked) } else { None };
        let error = match reserved.unwrap_or_else(|| Listener::bind(asked)) {
            Ok(listener) => return Ok(self.unused(listener)),
            Err(error) => error,
        };
        match holder {
            Some((holder, at)) if holder == job => Err(format!(
                "it listens at {at}, and can't listen at {asked} before that is closed: sandhog stop {job} closes it"
            )),
            Some((holder, at)) if at == asked && is_free(holder) => Ok(Socket::Of(holder.to_owned())),
            Some((holder, at)) => {
                Err(format!("the job {holder} listens at {at}: choose another port for one of the two"))
            }
            None => Err(causes::one_line(&error)),
        }
    }

    fn unused(&self, listener: Listener) -> Socket {
        let pauses = self.reserved.is_paused_between(listener.address());
        Socket::New(Unused { listener: Some(listener), pauses })
    }

    /// Listens there for whoever is no job that serves HTTP. Whether nobody but this daemon and its jobs has the socket.
    ///
    /// # Errors
    /// Why that can't be, and what to do.
    pub(super) fn open(&self, asked: SocketAddr) -> Result<(Listener, bool), ListenError> {
        match self.reserved.open(asked) {
            Some(listener) => Ok((listener?, self.reserved.is_paused_between(asked))),
            None => Ok((Listener::bind(asked)?, true)),
        }
    }

    /// The job that is in the way of whoever wants to listen there, and where it listens.
    pub(super) fn holder(&self, asked: SocketAddr) -> Option<(&str, SocketAddr)> {
        self.jobs.iter().find_map(|(job, front)| {
            let at = front.listening.as_ref()?.address;
            meets(at, asked).then_some((job.as_str(), at))
        })
    }

    /// Those that other jobs have are taken from them.
    pub(super) fn take_over(&mut self, sockets: BTreeMap<String, Socket>) -> BTreeMap<String, Socket> {
        sockets.into_iter().filter_map(|(job, socket)| Some((job, self.taken(socket)?))).collect()
    }

    fn taken(&mut self, socket: Socket) -> Option<Socket> {
        let holder = match socket {
            Socket::Of(holder) => holder,
            Socket::Has | Socket::New(_) => return Some(socket),
        };
        let mut at = self.jobs.get_mut(&holder).and_then(|front| front.listening.take())?;
        // Where it fails it is tried anew by the attempt.
        let listener = at.socket.try_clone().ok().and_then(|socket| Listener::inherited(socket).ok())?;
        at.pauses = false;
        Some(self.unused(listener))
    }

    /// The job listens with this socket from now on; where it did before is closed behind that. Returns where, if that is new.
    pub(super) fn put(&mut self, job: &str, http: &Http, socket: Socket) -> Option<SocketAddr> {
        self.look_at(job);
        let listener = match socket {
            Socket::Has | Socket::Of(_) => None,
            Socket::New(unused) => Some(unused),
        };
        let bounds = settings(http);
        let front = self.jobs.entry(job.to_owned()).or_insert_with(|| {
            let told = Arc::new(Told::new(job, self.access.clone(), self.inbox.clone()));
            let (dispatcher, pools) = (Dispatcher::start(bounds, Arc::clone(&told) as _), Pools::default());
            Front { dispatcher, told, bounds, listening: None, pools }
        });
        if front.bounds != bounds {
            front.bounds = bounds;
            front.dispatcher.set(bounds);
        }
        let listener = listener.filter(|_| !self.is_over).and_then(Unused::take)?;
        // Without a descriptor left for the duplicate there is none for a connection either.
        let socket = listener.as_fd().try_clone_to_owned().ok()?;
        let address = listener.address();
        let accepting = front.dispatcher.listen_for_now(listener).ok()?;
        let pauses = self.reserved.is_paused_between(address);
        front.listening = Some(Listening { asked: http.listen, address, socket, pauses, _accepting: accepting });
        Some(address)
    }

    /// It listens no more; returns where it did. Connections that it has stay.
    pub(super) fn close(&mut self, job: &str) -> Option<SocketAddr> {
        self.jobs.get_mut(job)?.listening.take().map(|at| at.address)
    }

    /// The job is there no more, or serves no more. Its connections stay until they are over.
    pub(super) fn remove(&mut self, job: &str) {
        if let Some(front) = self.jobs.remove(job) {
            front.end();
        }
    }

    /// The daemon ends: clients are refused from now on.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        for front in self.jobs.values_mut() {
            front.listening = None;
        }
    }

    /// An instance of the job is gone, or there are others.
    pub(super) fn look_at(&mut self, job: &str) {
        self.changed.insert(job.to_owned());
    }

    /// An attempt of the job, and the worker's end of its connection.
    pub(super) fn join(
        &self,
        number: AttemptNumber,
        origin: &Origin,
        service: &Service,
        http: &Http,
    ) -> io::Result<(OwnedFd, Server)> {
        let Some(front) = self.jobs.get(&origin.job) else { return Err(io::Error::other("the job is gone")) };
        let (theirs, ours) = sandhog_channel::pair()?;
        front.told.enter(number, origin.clone(), service.logs, &service.job, http);
        let attempt = origin.attempt.clone();
        let joined = match service.rules.health_request {
            Some(_) => front.dispatcher.join_held(attempt.clone(), ours),
            None => front.dispatcher.join(attempt.clone(), ours),
        };
        match joined {
            Ok(membership) => {
                let way = Way::Worker(membership);
                Ok((theirs, Server { way, told: Arc::clone(&front.told), attempt }))
            }
            Err(error) => {
                front.told.leave(&attempt);
                Err(error)
            }
        }
    }

    /// An attempt of the job that has a process for each connection, with a seat at a pool for so many instances. None: the job
    /// is gone.
    pub(super) fn place(
        &mut self,
        observer: &Arc<AttemptObserver>,
        service: &Service,
        settled: &Arc<Settled>,
        instances: u32,
    ) -> Option<(Order, Server)> {
        let (origin, http) = (&observer.origin, service.job.http.as_ref()?);
        let front = self.jobs.get_mut(&origin.job)?;
        front.told.enter(observer.number, origin.clone(), service.logs, &service.job, http);
        let seat = Arc::new(front.pools.seat(settled, instances));
        let hearing = PlaceHearing::new(&front.told, observer, &seat);
        let server = Server {
            way: Way::Place(Arc::clone(&hearing)),
            told: Arc::clone(&front.told),
            attempt: origin.attempt.clone(),
        };
        Some((Order { seat, hearing, dispatcher: front.dispatcher.clone(), rules: service.rules.clone() }, server))
    }

    /// Failed requests of the job that were not told one by one.
    pub(super) fn take_left_out(&self, job: &str) -> u64 {
        self.jobs.get(job).map_or(0, |front| front.told.take_left_out())
    }

    pub(super) fn serving(&self, job: &str) -> Option<Serving> {
        let front = self.jobs.get(job)?;
        let numbers = front.dispatcher.numbers();
        let [_, by_status @ ..] = numbers.by_class;
        Some(Serving {
            address: front.listening.as_ref().map(|at| at.address.to_string()),
            requests: told::requests(&numbers, numbers.in_flight),
            by_status,
            connections: numbers.connections + numbers.waiting,
            waiting: numbers.waiting,
            overloaded: numbers.refused_connections,
        })
    }

    /// Those who count, by their jobs' names.
    pub(super) fn dispatchers(&self) -> Vec<(String, Dispatcher)> {
        let mut all: Vec<_> = self.jobs.iter().map(|(job, front)| (job.clone(), front.dispatcher.clone())).collect();
        all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        all
    }
}

impl Front {
    /// Those that no worker takes are refused; the others are over when their workers are done with them.
    fn end(self) {
        let Self { dispatcher, listening, .. } = self;
        drop(listening);
        tokio::spawn(async move { dispatcher.drain().await });
    }
}

/// Whether nobody can listen at one while somebody does at the other.
pub(super) fn meets(one: SocketAddr, other: SocketAddr) -> bool {
    let same = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    same && one.port() == other.port()
}

/// Whether each connection has a process of its own.
pub(super) fn is_alone(http: &Http) -> bool {
    http.isolation == Some(Isolation::Process)
}

fn settings(http: &Http) -> DispatchSettings {
    DispatchSettings {
        connections_per_worker: http.connections,
        requests_per_worker: http.concurrency.saturating_add(http.waiting),
        connections_in_all: is_alone(http).then_some(1),
        waiting_max: WAITING,
        waiting_for: WAITING_FOR,
    }
}
