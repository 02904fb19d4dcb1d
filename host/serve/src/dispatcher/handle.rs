//! The way to the task, for those who listen, keep workers up, or want to know.
//!
//! Must not: wait for it, but in a drain.

use super::accept::{self, Around};
use super::actor::Actor;
use super::in_flight::InFlight;
use super::message::{Control, News};
use super::room::Room;
use super::tally::lock;
use super::told::{DispatchSettings, Standing, Told};
use crate::link;
use crate::listener::Listener;
use crate::numbers::{Counter, Numbers};
use sandhog_supervisor::balance::WorkerId;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// News that may wait for the task. Whoever has more waits, a worker with all that it says.
const NEWS: usize = 64;

/// The way to the task. All clones are one; it ends with the last of them and of its [`Membership`]s.
#[derive(Clone)]
pub struct Dispatcher {
    shared: Arc<Shared>,
}

struct Shared {
    control: mpsc::UnboundedSender<Control>,
    news: mpsc::Sender<News>,
    counter: Arc<Mutex<Counter>>,
    told: Arc<dyn Told>,
    begun: Instant,
    next_worker: AtomicU64,
    room: Arc<Room>,
    /// True: listeners accept what is there, and end.
    closes: watch::Sender<bool>,
    drained: watch::Receiver<bool>,
}

/// Connections are accepted from a listener as long as this is there.
#[must_use]
pub struct Accepting {
    _until: oneshot::Sender<()>,
}

/// A worker's place. It ends when this is dropped: that says that its process has been reaped.
pub struct Membership {
    worker: WorkerId,
    control: mpsc::UnboundedSender<Control>,
    standing: watch::Receiver<Standing>,
    in_flight: InFlight,
    /// Ends with this.
    _ended: oneshot::Sender<()>,
}

impl Dispatcher {
    /// Begins. Must be called inside the runtime.
    #[must_use]
    pub fn start(settings: DispatchSettings, told: Arc<dyn Told>) -> Self {
        let (control, controls) = mpsc::unbounded_channel();
        let (news, comes) = mpsc::channel(NEWS);
        let (drains, drained) = watch::channel(false);
        let counter = Arc::new(Mutex::new(Counter::new()));
        let begun = Instant::now();
        let room = Arc::new(Room::new(settings.waiting_max));
        let actor = Actor::new(settings.into(), begun, Arc::clone(&told), Arc::clone(&counter), drains, news.clone());
        tokio::spawn(actor.run(controls, comes));
        let (next_worker, closes) = (AtomicU64::new(1), watch::Sender::new(false));
        Self { shared: Arc::new(Shared { control, news, counter, told, begun, next_worker, room, closes, drained }) }
    }

    /// Accepts from it from now on, until [`Self::drain`].
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn listen(&self, listener: Listener) -> io::Result<()> {
        self.begin(listener, std::future::pending())
    }

    /// The same, for as long as what comes back is there. Connections that it has brought stay.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn listen_for_now(&self, listener: Listener) -> io::Result<Accepting> {
        let (until, closed) = oneshot::channel::<()>();
        self.begin(listener, async move { drop(closed.await) })?;
        Ok(Accepting { _until: until })
    }

    fn begin(&self, listener: Listener, until: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let Shared { news, told, room, closes, .. } = &*self.shared;
        let around = Around { news: news.clone(), told: Arc::clone(told), room: Arc::clone(room) };
        accept::begin(listener, around, closes.subscribe(), until)
    }

    /// Other bounds, from now on. A connection that a worker has stays there.
    pub fn set(&self, settings: DispatchSettings) {
        self.shared.room.set(settings.waiting_max);
        // Where nobody hears it there is nothing left to bound.
        let _ = self.shared.control.send(Control::Bounds(settings.into()));
    }

    /// Takes in the owner's end of an attempt's connection. Its worker is given connections as soon as it says that it accepts
    /// them.
    ///
    /// # Errors
    /// It is no socket.
    pub fn join(&self, attempt: String, ours: OwnedFd) -> io::Result<Membership> {
        self.enter(attempt, ours, false)
    }

    /// The same for one that is to have no clients before [`Asker::admit`].
    ///
    /// # Errors
    /// It is no socket.
    pub fn join_held(&self, attempt: String, ours: OwnedFd) -> io::Result<Membership> {
        self.enter(attempt, ours, true)
    }

    fn enter(&self, attempt: String, ours: OwnedFd, held: bool) -> io::Result<Membership> {
        let Shared { control, news, next_worker, .. } = &*self.shared;
        let socket = link::open(ours)?;
        let worker = WorkerId(next_worker.fetch_add(1, Ordering::Relaxed));
        let (tell, standing) = watch::channel(Standing::Joined);
        let (ended, ends) = oneshot::channel();
        // Before anything that it says: see `Actor::run`.
        let in_flight = InFlight::default();
        let (shown, link) = (in_flight.clone(), Arc::clone(&socket));
        let _ = control.send(Control::Join { worker, attempt, socket: link, standing: tell, in_flight: shown, held });
        tokio::spawn(link::hear(socket, worker, ends, news.clone()));
        Ok(Membership { worker, control: control.clone(), standing, in_flight, _ended: ended })
    }

    /// How it stands now.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        lock(&self.shared.counter).look(self.shared.begun.elapsed())
    }

    /// Accepts no more. Comes back when no connection is left here: each is with a worker that reads it, or has ended. Workers
    /// finish on their own.
    pub async fn drain(&self) {
        let Shared { closes, news, drained, .. } = &*self.shared;
        closes.send_replace(true);
        // What the kernel had accepted for us is on its way to the task by then.
        closes.closed().await;
        let _ = news.send(News::Drain).await;
        let _ = drained.clone().wait_for(|drained| *drained).await;
    }
}

/// The way to one worker for questions of its owner's own. It may have ended: then nobody answers.
#[derive(Clone)]
pub struct Asker {
    worker: WorkerId,
    control: mpsc::UnboundedSender<Control>,
}

impl Asker {
    /// Gives it a connection that is no client's. Where it takes none, this end of it is closed.
    ///
    /// # Errors
    /// As fcntl(2).
    pub fn ask(&self, socket: OwnedFd) -> io::Result<()> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let _ = self.control.send(Control::Ask { worker: self.worker, socket });
        Ok(())
    }

    /// It may have clients from now on.
    pub fn admit(&self) {
        let _ = self.control.send(Control::Admit { worker: self.worker });
    }
}

impl Membership {
    /// It gets no more connections, and is told so. What it has not read goes to others.
    pub fn finish(&self) {
        let _ = self.control.send(Control::Finish { worker: self.worker });
    }

    /// For whoever wants to ask it something.
    #[must_use]
    pub fn asker(&self) -> Asker {
        Asker { worker: self.worker, control: self.control.clone() }
    }

    /// Its requests that have not ended.
    #[must_use]
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.clone()
    }

    /// How it stands, from now on.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }
}
