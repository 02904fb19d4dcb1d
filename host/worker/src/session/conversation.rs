//! One guest's side of the conversation with the coordinator: what it says, and what is made of what it is told.
//!
//! Must not: wait (`wait` does), or ask for something that has an answer (`children` does).

use super::child::Child;
use super::connection::{Connection, Counts, Peer, Ways};
use super::control::Control;
use super::error::Error;
use super::handle::Socket;
use super::input::Input;
use super::news::News;
use super::objects::Objects;
use super::shared::Waits;
use sandhog_channel::Large;
use sandhog_ipc::FrameBuffer;
use sandhog_protocol::message::Message;
use sandhog_protocol::objects::{Attached, Dead};
use sandhog_protocol::plan::{GuestPlan, Identity};
use sandhog_protocol::request::{ChildId, Level, Reply, Request};
use sandhog_protocol::usage::WorkerUsage;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two reports of progress: people see no more than this, and a guest may report as often as it likes.
const PROGRESS: Duration = Duration::from_millis(50);

/// One guest's side of the conversation, from `go` to its end.
pub(crate) struct Session {
    pub(super) control: Control,
    input: Input,
    start: Instant,
    about: Arc<About>,
    /// How its connections are used.
    pub(super) ways: Ways,
    /// Sockets on which it listens.
    pub(super) listeners: Vec<Socket>,
    parent: Option<Connection>,
    /// Those whose handle the guest still has.
    pub(super) children: BTreeMap<ChildId, Child>,
    pub(super) news: News,
    pub(super) waits: Waits,
    pub(super) objects: Objects,
    /// The attempt has said that it is ready.
    ready: Arc<AtomicBool>,
    /// When its progress was last reported.
    progress: Option<Instant>,
}

/// What a guest is told of itself.
pub(crate) struct About {
    pub identity: Identity,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub data: Option<Message>,
}

/// What the coordinator says: something that nobody has asked for, or the answer to the one request that waits for it.
pub(super) enum Heard {
    News,
    Answer(Answer),
}

/// One for each request that has an answer.
pub(super) enum Answer {
    Spawned(Result<(ChildId, String), Error>),
    Used(WorkerUsage),
    Attached(Result<Box<Attached>, Error>),
    Dead(Option<Box<Dead>>),
}

impl Session {
    /// `socket` leads to the coordinator and is blocking; what `buffer` holds has come by it already. `connection` leads
    /// to the parent, where there is one and the guest itself is to have it; `large`: how large messages go, to whomever. Time
    /// counts from here.
    pub(crate) fn new(
        socket: OwnedFd,
        buffer: FrameBuffer,
        connection: Option<OwnedFd>,
        large: Large,
        plan: &GuestPlan,
    ) -> Self {
        Self::with(Control::new(socket, buffer), connection, large, plan)
    }

    /// The same for a core module, which has no connection. Where it uses no objects, its filter has no recvmsg(2), and nothing is
    /// asked that has an answer.
    pub(crate) fn of_core(socket: OwnedFd, buffer: FrameBuffer, large: Large, plan: &GuestPlan) -> Self {
        let control = match plan.objects {
            true => Control::new(socket, buffer),
            false => Control::of_core(socket, buffer),
        };
        Self::with(control, None, large, plan)
    }

    fn with(control: Control, connection: Option<OwnedFd>, large: Large, plan: &GuestPlan) -> Self {
        let about = About {
            identity: plan.identity.clone(),
            arguments: plan.args.clone(),
            environment: plan.env.clone(),
            data: plan.data.clone(),
        };
        let waits = Waits::new(control.clone());
        let ways = Ways { large, sockets: plan.sockets, takes: plan.passed };
        let peer = if plan.identity.parent.is_some() { Peer::Job } else { Peer::Outside };
        Self {
            input: Input::new(control.clone()),
            control,
            start: Instant::now(),
            about: Arc::new(about),
            ways,
            listeners: Vec::new(),
            parent: connection.map(|socket| Connection::new(socket, ways, peer)),
            children: BTreeMap::new(),
            news: News::default(),
            waits,
            objects: Objects::of(plan.objects),
            ready: Arc::default(),
            progress: None,
        }
    }

    /// With these sockets to listen on.
    pub(crate) fn listening(self, listeners: Vec<OwnedFd>) -> Self {
        Self { listeners: listeners.into_iter().map(Socket::new).collect(), ..self }
    }

    /// The side of another guest of the same attempt, which runs at the same time: it has no handles yet, and whatever concerns
    /// the attempt is theirs together.
    pub(crate) fn beside(&self) -> Self {
        Self {
            control: self.control.clone(),
            input: self.input.clone(),
            start: self.start,
            about: Arc::clone(&self.about),
            ways: self.ways,
            listeners: self.listeners.clone(),
            parent: self.parent.clone(),
            children: BTreeMap::new(),
            news: self.news.clone(),
            waits: self.waits.clone(),
            objects: self.objects.beside(),
            ready: Arc::clone(&self.ready),
            progress: None,
        }
    }

    /// The socket by which the coordinator speaks.
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// Takes in what the coordinator has said, without waiting: whether the attempt is to stop.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub(crate) fn hears_of_stop(&mut self) -> Result<bool, Error> {
        self.waits.listen()?;
        self.catch_up()?;
        Ok(self.news.stops())
    }

    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// The guest's stdin.
    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// What the coordinator says of its own accord.
    pub(crate) fn news(&self) -> News {
        self.news.clone()
    }

    /// When its time began.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn parent(&self) -> Option<Connection> {
        self.parent.clone()
    }

    /// Messages through the connection to the parent so far; zeros without one.
    pub(crate) fn counts(&self) -> Counts {
        self.parent.as_ref().map(Connection::counts).unwrap_or_default()
    }

    /// The first call counts.
    ///
    /// # Errors
    /// [`Error::Gone`], as of everything that is only said.
    pub(crate) fn ready(&mut self) -> Result<(), Error> {
        if self.ready.swap(true, Ordering::Relaxed) { Ok(()) } else { self.control.ask(Request::Ready) }
    }

    pub(crate) fn heartbeat(&mut self) -> Result<(), Error> {
        self.control.ask(Request::Heartbeat)
    }

    /// Dropped where the last one is less than [`PROGRESS`] ago, unless everything is done.
    pub(crate) fn progress(&mut self, done: u64, total: Option<u64>, note: &str) -> Result<(), Error> {
        let now = Instant::now();
        let soon = self.progress.is_some_and(|last| now - last < PROGRESS);
        if soon && total != Some(done) {
            return Ok(());
        }
        self.progress = Some(now);
        self.control.ask(Request::Progress { done, total, note: note.to_owned() })
    }

    pub(crate) fn log(&mut self, level: Level, text: String, fields: Vec<(String, String)>) -> Result<(), Error> {
        self.control.ask(Request::Log { level, text, fields })
    }

    pub(crate) fn retire(&mut self, reason: String) -> Result<(), Error> {
        self.control.ask(Request::Retire { reason })
    }

    /// Takes in what the coordinator has said, without waiting.
    pub(super) fn catch_up(&mut self) -> Result<(), Error> {
        while self.control.read_now()? {}
        self.take_in()
    }

    /// Takes in what has been read already: what came together with an answer, or with `go`.
    pub(super) fn take_in(&mut self) -> Result<(), Error> {
        while let Some(reply) = self.control.take()? {
            match self.hear(reply) {
                Heard::News => {}
                // Nothing was asked.
                Heard::Answer(_) => return Err(Error::Gone),
            }
        }
        Ok(())
    }

    pub(super) fn hear(&mut self, reply: Reply) -> Heard {
        match reply {
            Reply::Spawned { child, attempt } => Heard::Answer(Answer::Spawned(Ok((child, attempt)))),
            Reply::NotSpawned(reason) => Heard::Answer(Answer::Spawned(Err(reason.into()))),
            Reply::Used(usage) => Heard::Answer(Answer::Used(usage)),
            Reply::Attached(attached) => Heard::Answer(Answer::Attached(Ok(attached))),
            Reply::NotAttached(reason) => Heard::Answer(Answer::Attached(Err(reason.into()))),
            Reply::Dead(dead) => Heard::Answer(Answer::Dead(dead)),
            // Whoever reads stdin hears of it: it never comes this far.
            Reply::InputFailed { .. } => Heard::News,
            Reply::Stop => {
                self.news.stop();
                Heard::News
            }
            Reply::ChildEnded { child, verdict, code, usage } => {
                self.news.end(child, verdict, code, usage);
                Heard::News
            }
        }
    }
}
