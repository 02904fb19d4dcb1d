//! The way to the task, for those who listen, keep workers up, or want to know.
//!
//! Must not: wait for it, but in a drain.

use super::accept;
use super::actor::Actor;
use super::message::{Control, News};
use super::tally::lock;
use super::told::{DispatchSettings, Standing, Told};
use crate::link;
use crate::listener::Listener;
use crate::numbers::{Counter, Numbers};
use sandhog_supervisor::balance::WorkerId;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
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
    in_flight: Arc<AtomicU32>,
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
        let actor = Actor::new(settings.into(), begun, Arc::clone(&told), Arc::clone(&counter), drains, news.clone());
        tokio::spawn(actor.run(controls, comes));
        let (next_worker, closes) = (AtomicU64::new(1), watch::Sender::new(false));
        Self { shared: Arc::new(Shared { control, news, counter, told, begun, next_worker, closes, drained }) }
    }

    /// Accepts from it from now on, until [`Self::drain`].
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn listen(&self, listener: Listener) -> io::Result<()> {
        let Shared { news, told, closes, .. } = &*self.shared;
        accept::begin(listener, news.clone(), Arc::clone(told), closes.subscribe(), std::future::pending())
    }

    /// The same, for as long as what comes back is there. Connections that it has brought stay.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn listen_for_now(&self, listener: Listener) -> io::Result<Accepting> {
        let Shared { news, told, closes, .. } = &*self.shared;
        let (until, closed) = oneshot::channel::<()>();
        let until_dropped = async move { drop(closed.await) };
        accept::begin(listener, news.clone(), Arc::clone(told), closes.subscribe(), until_dropped)?;
        Ok(Accepting { _until: until })
    }

    /// Other bounds, from now on. A connection that a worker has stays there.
    pub fn set(&self, settings: DispatchSettings) {
        // Where nobody hears it there is nothing left to bound.
        let _ = self.shared.control.send(Control::Bounds(settings.into()));
    }

    /// Takes in the owner's end of an attempt's connection. Its worker is given connections as soon as it says that it accepts
    /// them.
    ///
    /// # Errors
    /// It is no socket.
    pub fn join(&self, attempt: String, ours: OwnedFd) -> io::Result<Membership> {
        let Shared { control, news, next_worker, .. } = &*self.shared;
        let socket = link::open(ours)?;
        let worker = WorkerId(next_worker.fetch_add(1, Ordering::Relaxed));
        let (tell, standing) = watch::channel(Standing::Joined);
        let (ended, ends) = oneshot::channel();
        // Before anything that it says: see `Actor::run`.
        let in_flight = Arc::new(AtomicU32::new(0));
        let (count, link) = (Arc::clone(&in_flight), Arc::clone(&socket));
        let _ = control.send(Control::Join { worker, attempt, socket: link, standing: tell, in_flight: count });
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

impl Membership {
    /// It gets no more connections, and is told so. What it has not read goes to others.
    pub fn finish(&self) {
        let _ = self.control.send(Control::Finish { worker: self.worker });
    }

    /// Requests that have not ended, as the worker said last.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How it stands, from now on.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }
}
