//! The one task.

use super::in_flight::InFlight;
use super::message::{Accepted, Control, News, Socket};
use super::refusal;
use super::tally::lock;
use super::told::{Standing, Told};
use crate::link::{self, Unsent};
use crate::numbers::Counter;
use sandhog_protocol::http::{ConnectionId, FromServer, Request, ToServer};
use sandhog_supervisor::balance::{Action, Breach, Config, Event, Fate, State, WorkerId};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

/// News that are taken in before it is looked whether time has passed.
const AT_ONCE: usize = 64;

/// The peer of a connection that is no client's.
const OURSELVES: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(super) struct Actor {
    balance: State,
    begun: Instant,
    told: Arc<dyn Told>,
    counter: Arc<Mutex<Counter>>,
    drained: watch::Sender<bool>,
    /// For those that wait for room.
    news: mpsc::WeakSender<News>,
    links: HashMap<WorkerId, Link>,
    clients: HashMap<ConnectionId, Client>,
    next_connection: ConnectionId,
    /// Of all workers together.
    in_flight: u64,
    /// What follows from what was done.
    events: VecDeque<Event>,
}

/// A worker.
struct Link {
    attempt: String,
    socket: Socket,
    standing: watch::Sender<Standing>,
    /// Requests, as it said last; and where others see that.
    in_flight: u32,
    shown: InFlight,
    is_broken: bool,
    /// It is still to be told to finish.
    owes_finish: bool,
    waits_for_room: bool,
}

/// A connection that has not ended.
struct Client {
    peer: SocketAddr,
    /// None: a worker reads it.
    socket: Option<OwnedFd>,
    /// Among those that wait, until a worker has it.
    place: Option<OwnedSemaphorePermit>,
    /// It is the owner's own, and what is said of it counts nowhere.
    is_own: bool,
}

impl Actor {
    pub(super) fn new(
        config: Config,
        begun: Instant,
        told: Arc<dyn Told>,
        counter: Arc<Mutex<Counter>>,
        drained: watch::Sender<bool>,
        news: mpsc::Sender<News>,
    ) -> Self {
        Self {
            balance: State::new(config),
            begun,
            told,
            counter,
            drained,
            news: news.downgrade(),
            links: HashMap::new(),
            clients: HashMap::new(),
            next_connection: 1,
            in_flight: 0,
            events: VecDeque::new(),
        }
    }

    /// Until nobody has a way to it.
    pub(super) async fn run(mut self, mut control: mpsc::UnboundedReceiver<Control>, mut news: mpsc::Receiver<News>) {
        let mut taken = Vec::with_capacity(AT_ONCE);
        loop {
            let wake = self.balance.next_wake().map(|at| tokio::time::Instant::from_std(self.begun + at));
            tokio::select! {
                next = control.recv() => match next {
                    Some(next) => self.take_order(next),
                    None => return,
                },
                _ = news.recv_many(&mut taken, AT_ONCE) => {}
                () = sleep_until(wake) => self.step(Event::Tick),
            }
            // A worker has joined before it has said anything.
            while let Ok(next) = control.try_recv() {
                self.take_order(next);
            }
            for next in taken.drain(..) {
                self.take_in(next);
            }
            self.show();
        }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn take_order(&mut self, control: Control) {
        match control {
            Control::Join { worker, attempt, socket, standing, in_flight: shown, held } => {
                let (in_flight, is_broken, owes_finish, waits_for_room) = (0, false, false, false);
                let link = Link { attempt, socket, standing, in_flight, shown, is_broken, owes_finish, waits_for_room };
                self.links.insert(worker, link);
                self.step(Event::Joined { worker, held });
            }
            Control::Admit { worker } => self.step(Event::Admitted { worker }),
            Control::Ask { worker, socket } => {
                let connection =
                    self.enter(Client { peer: OURSELVES, socket: Some(socket), place: None, is_own: true });
                self.step(Event::Asked { worker, connection });
            }
            Control::Finish { worker } => self.step(Event::Finish { worker }),
            Control::Bounds(config) => {
                self.balance.configure(config);
                self.step(Event::Tick);
            }
        }
    }

    fn take_in(&mut self, news: News) {
        match news {
            News::Accepted(accepted) => accepted.into_iter().for_each(|accepted| self.accepted(accepted)),
            News::Said { worker, said } => self.said(worker, said),
            News::Broke { worker, breach } => self.step(Event::Broke { worker, breach }),
            News::HungUp { worker } => self.step(Event::HungUp { worker }),
            News::Room { worker } => self.has_room(worker),
            News::Gone { worker } => self.gone(worker),
            News::Drain => self.step(Event::Drain),
        }
    }

    fn accepted(&mut self, accepted: Accepted) {
        let Accepted { socket, peer, waited, place } = accepted;
        let connection = self.enter(Client { peer, socket: Some(socket), place, is_own: false });
        lock(&self.counter).accepted();
        self.step(Event::Arrived { connection, waited });
    }

    fn enter(&mut self, client: Client) -> ConnectionId {
        let connection = self.next_connection;
        self.next_connection += 1;
        self.clients.insert(connection, client);
        connection
    }

    fn said(&mut self, worker: WorkerId, said: FromServer) {
        match said {
            FromServer::Accepts => {
                self.stands(worker, Standing::Accepts);
                self.step(Event::Accepts { worker });
            }
            FromServer::Reads { connection } => self.step(Event::Reads { worker, connection }),
            FromServer::Declined { connection } => self.step(Event::Declined { worker, connection }),
            FromServer::Closed { connection } => self.step(Event::Closed { worker, connection }),
            FromServer::Retires => self.retires(worker),
            FromServer::Requests { ended, in_flight } => self.requests(worker, &ended, in_flight),
        }
    }

    fn retires(&mut self, worker: WorkerId) {
        self.stands(worker, Standing::Retires);
        if let Some(link) = self.links.get(&worker).filter(|link| !link.is_broken) {
            self.told.retires(&link.attempt);
        }
        self.step(Event::Retires { worker });
    }

    fn requests(&mut self, worker: WorkerId, ended: &[Request], in_flight: u32) {
        if ended.iter().any(|request| !self.balance.has(worker, request.connection)) {
            return self.step(Event::Broke { worker, breach: Breach::NotIts });
        }
        let now = self.now();
        let Some(link) = self.links.get_mut(&worker).filter(|link| !link.is_broken) else { return };
        let before = std::mem::replace(&mut link.in_flight, in_flight);
        link.shown.show(in_flight);
        self.in_flight = self.in_flight + u64::from(in_flight) - u64::from(before);
        for request in ended {
            let client = self.clients.get(&request.connection);
            if client.is_some_and(|client| client.is_own) {
                continue;
            }
            lock(&self.counter).ended(request, now);
            if let Some(client) = client {
                self.told.request(&link.attempt, request, &client.peer.to_string());
            }
        }
    }

    fn has_room(&mut self, worker: WorkerId) {
        let Some(link) = self.links.get_mut(&worker) else { return };
        link.waits_for_room = false;
        if std::mem::take(&mut link.owes_finish) {
            self.finish(worker);
        }
        self.step(Event::Room { worker });
    }

    fn gone(&mut self, worker: WorkerId) {
        self.step(Event::Gone { worker });
        if let Some(link) = self.links.remove(&worker) {
            self.in_flight -= u64::from(link.in_flight);
        }
    }

    /// Lets the balance decide, and does what it says, and what follows from that.
    fn step(&mut self, event: Event) {
        self.events.push_back(event);
        while let Some(event) = self.events.pop_front() {
            let now = self.now();
            for action in self.balance.step(now, event) {
                self.execute(action);
            }
        }
    }

    fn execute(&mut self, action: Action) {
        match action {
            Action::Give { worker, connection } => self.give(worker, connection),
            Action::LetGo { connection } => {
                if let Some(client) = self.clients.get_mut(&connection) {
                    client.socket = None;
                }
            }
            Action::End { connection, fate } => self.end(connection, fate),
            Action::Finish { worker } => self.finish(worker),
            Action::Breach { worker, breach } => {
                self.stands(worker, Standing::Broke(breach.what()));
                if let Some(link) = self.links.get_mut(&worker) {
                    link.is_broken = true;
                    self.told.breach(&link.attempt, breach.what());
                }
            }
            Action::Drained => drop(self.drained.send_replace(true)),
        }
    }

    fn give(&mut self, worker: WorkerId, connection: ConnectionId) {
        let (Some(link), Some(client)) = (self.links.get(&worker), self.clients.get_mut(&connection)) else { return };
        let Some(socket) = &client.socket else { return };
        let message = ToServer::Connection { id: connection, peer: client.peer.to_string() };
        match link::send(&link.socket, &message, Some(socket.as_fd())) {
            // Whoever waits behind it may come.
            Ok(()) => client.place = None,
            Err(unsent) => {
                self.events.push_back(Event::Unsent { worker, connection });
                self.could_not(worker, unsent);
            }
        }
    }

    fn finish(&mut self, worker: WorkerId) {
        let Some(link) = self.links.get_mut(&worker) else { return };
        if let Err(unsent) = link::send(&link.socket, &ToServer::Finish, None) {
            link.owes_finish = unsent != Unsent::HungUp;
            self.could_not(worker, unsent);
        }
    }

    fn could_not(&mut self, worker: WorkerId, why: Unsent) {
        match why {
            Unsent::HungUp => self.events.push_back(Event::HungUp { worker }),
            Unsent::Full | Unsent::Short => {
                let (Some(link), Some(news)) = (self.links.get_mut(&worker), self.news.upgrade()) else { return };
                if !std::mem::replace(&mut link.waits_for_room, true) {
                    tokio::spawn(link::room(Arc::clone(&link.socket), why, worker, news));
                }
            }
        }
    }

    fn end(&mut self, connection: ConnectionId, fate: Fate) {
        let client = self.clients.remove(&connection);
        match fate {
            Fate::Served | Fate::Withdrawn | Fate::Own => {}
            Fate::Lost => lock(&self.counter).lost_connection(),
            Fate::Refused(_) => {
                lock(&self.counter).refused_connection();
                if let Some(socket) = client.and_then(|client| client.socket) {
                    refusal::refuse(socket);
                }
            }
        }
    }

    fn stands(&self, worker: WorkerId, standing: Standing) {
        if let Some(link) = self.links.get(&worker).filter(|link| !link.is_broken) {
            link.standing.send_replace(standing);
        }
    }

    fn show(&self) {
        let counts = self.balance.counts();
        let connections = counts.unread + counts.read;
        lock(&self.counter).set_gauges(counts.workers, connections, counts.waiting, self.in_flight);
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
