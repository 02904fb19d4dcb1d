//! Performs one attempt: feeds what happens into [`Attempt`] and does what it says.

mod heard;

use super::channel::Channel;
use super::note::{Held, Note, Sender};
pub use super::order::{Begin, Ends, Order, Pump, To, Zygote};
use super::outbox::Outbox;
use super::output::{self, Over};
use super::room;
use super::stamps::{self, Process};
use super::suspension;
use super::zygote;
use crate::spawner::{Client, recv_ready};
use rustix::net::SocketType;
use sandhog_ipc::{self as ipc, Closed, pair, send_packet};
use sandhog_protocol::objects::FromKeeper;
use sandhog_protocol::plan::{Kind, Program, Work};
use sandhog_protocol::request::{Reply, Request};
use sandhog_protocol::spawn::{Load, Loaded, ToSpawner};
use sandhog_protocol::verdict::{LostCause, Usage};
use sandhog_protocol::worker::{FromWorker, ToWorker};
use sandhog_protocol::{VERSION, causes};
use sandhog_sandbox::steps::with_wall;
use sandhog_supervisor::attempt::{Action, Attempt, Event};
use sandhog_supervisor::outcome::{Cause, Facts};
use sandhog_supervisor::pause::Pause;
use sandhog_sys::{ready, stamps as noting};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// Messages of the worker that may wait here; the rest waits in its socket, and the worker with it. Few: each may take the
/// memory of a whole frame (see `limits::VALUES`).
const WORKER_EVENTS: usize = 2;

/// How long a guest that was asked to stop may take, where nothing else is said.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long a worker may take from its report to its end: it does nothing any more but `_exit`.
const EXIT: Duration = Duration::from_secs(5);

/// How long the output of a guest that was ended waits for its reader: what lies in a pipe is read at once by
/// whoever reads at all. And how long a stream of any worker that has gone may stay open: its own end is closed by then.
const DRAIN: Duration = Duration::from_secs(1);

/// How long a worker may take from the request to its greeting. It takes a millisecond; a machine that pages and
/// swaps may take seconds.
const START: Duration = Duration::from_secs(30);

/// An attempt that is over.
pub struct Attempted {
    pub facts: Facts,
    pub usage: Usage,
    /// What the worker was to be given, where it never began: whoever tries again needs it.
    pub unused: Option<Ends>,
}

/// What the worker says.
type WorkerEvents = mpsc::Receiver<Event>;

struct Driver<'a> {
    client: &'a Client,
    id: u32,
    order: Order,
    sender: Sender,
    module: Option<(OwnedFd, Kind)>,
    /// To the zygote, where it has one of its own.
    module_socket: Option<OwnedFd>,
    channel: Arc<AsyncFd<OwnedFd>>,
    outbox: Outbox,
    /// Where its first frame waits for room.
    room: Option<Arc<AsyncFd<OwnedFd>>>,
    /// Keeps its stdin open until it has been told that this failed.
    held: Option<Held>,
    /// What the worker has asked for and nobody has taken yet: until then nothing more of it is heard.
    asked_for: Option<Request>,
    /// What a keeper has said, in the same way.
    kept: Option<FromKeeper>,
    /// The worker's end, until the worker has it.
    channel_there: Option<OwnedFd>,
    asked: Instant,
    gone: Option<Instant>,
    /// How long this process had stood still before that.
    stood: Duration,
    pause: Pause,
    usage: Usage,
    /// Output streams that nobody reads any more.
    unread: Vec<OwnedFd>,
    over: Over,
    /// Ended with the driver.
    tasks: tokio::task::JoinSet<()>,
}

/// Runs one attempt to its end. `id` names its zygote and its worker to the spawner.
///
/// # Errors
/// Only where this process itself is at its limits (EMFILE).
pub async fn drive(
    client: &Client,
    id: u32,
    order: Order,
    sender: Sender,
    mut notes: mpsc::Receiver<Note>,
) -> io::Result<Attempted> {
    let mut attempt = attempt_of(&order);
    let (mut driver, mut worker_events) = Driver::start(client, id, order, sender).await?;
    while let Some(event) = driver.next(&mut notes, &mut worker_events).await {
        for action in attempt.step(event) {
            if action == Action::Finish {
                driver.finish().await;
                let Driver { usage, order, .. } = driver;
                return Ok(Attempted { facts: attempt.into_facts(), usage, unused: order.ends });
            }
            if let Err(error) = driver.perform(action).await {
                driver.note_failure(&error);
            }
        }
    }
    Err(io::ErrorKind::BrokenPipe.into())
}

/// The states of an attempt of this kind.
fn attempt_of(order: &Order) -> Attempt {
    let has_module = matches!(&order.zygote, Zygote::Own(plan) if matches!(plan.program, Program::Guest { .. }));
    let waits = matches!(order.begin, Begin::Assigned { .. });
    let keeps_objects = order.kept.is_some();
    let is_kept = order.pumps.iter().any(|pump| matches!(pump.to, To::Sink(_)));
    let mut attempt = Attempt::new(has_module, order.pumps.len(), order.requests.is_some(), with_wall);
    if is_kept {
        attempt = attempt.keeping_output();
    }
    if waits {
        attempt = attempt.waiting();
    }
    if keeps_objects {
        attempt = attempt.keeping_objects();
    }
    match order.zygote {
        Zygote::Own(_) => attempt,
        Zygote::Shared(_) => attempt.of_shared_zygote(),
    }
}

impl<'a> Driver<'a> {
    async fn start(client: &'a Client, id: u32, order: Order, sender: Sender) -> io::Result<(Self, WorkerEvents)> {
        let (channel, channel_there) = pair(SocketType::STREAM)?;
        // The greeting waits in the socket until the worker is there.
        ipc::send_frame(&channel, &ToWorker::Hello { version: VERSION }).map_err(io::Error::other)?;
        rustix::io::ioctl_fionbio(&channel, true)?;
        let asked = Instant::now();
        let module_socket = match &order.zygote {
            Zygote::Own(plan) => Some(zygote::start(client, id, plan, &order.directories).await?),
            Zygote::Shared(_) => {
                // It is there.
                let _ = sender.try_send(Note::Event(Event::ZygoteStarted));
                None
            }
        };
        let mut driver = Self {
            client,
            id,
            order,
            sender,
            module: None,
            module_socket,
            channel: Arc::new(ready::watch_reading(channel)?),
            outbox: Outbox::default(),
            room: None,
            held: None,
            asked_for: None,
            kept: None,
            channel_there: Some(channel_there),
            asked,
            gone: None,
            stood: suspension::total(),
            pause: Pause::default(),
            usage: Usage::default(),
            unread: Vec::new(),
            over: Over::new(),
            tasks: tokio::task::JoinSet::new(),
        };
        let worker_events = driver.listen();
        Ok((driver, worker_events))
    }

    /// What happens next, as an event. Meanwhile the worker is told what it is to be told, and what it has asked for is
    /// handed on: neither holds anything else up.
    async fn next(&mut self, notes: &mut mpsc::Receiver<Note>, worker_events: &mut WorkerEvents) -> Option<Event> {
        loop {
            let hears = self.asked_for.is_none() && self.kept.is_none() && !self.outbox.is_full();
            let room = self.room.clone();
            let note = tokio::select! {
                note = notes.recv() => note?,
                Some(event) = worker_events.recv(), if hears => Note::Event(event),
                () = hand_on(self.order.requests.as_ref(), &mut self.asked_for) => continue,
                () = hand_on(self.order.kept.as_ref(), &mut self.kept) => continue,
                Ok(mut ready) = room::is_there(room.as_deref()) => {
                    ready.clear_ready();
                    self.flush();
                    continue;
                }
            };
            if let Some(event) = self.take_in(note) {
                return Some(event);
            }
        }
    }

    fn tell(&mut self, message: &ToWorker, fds: Vec<OwnedFd>) -> Result<(), ipc::Error> {
        self.outbox.put(message, fds)?;
        self.flush();
        Ok(())
    }

    /// A worker that has gone needs not be told anything: the news of its end is on its way.
    fn flush(&mut self) {
        match self.outbox.send(self.channel.get_ref()) {
            Ok(()) => {
                self.held = self.held.take().filter(|_| !self.outbox.is_empty());
                self.room = None;
            }
            Err(error) if error.would_block() => self.wait_for_room(),
            Err(error) => self.tell_nothing_more(&error),
        }
    }

    fn wait_for_room(&mut self) {
        if self.room.is_none() {
            match ready::watch_room(self.channel.get_ref()) {
                Ok(room) => self.room = Some(Arc::new(room)),
                Err(error) => self.tell_nothing_more(&error.into()),
            }
        }
    }

    fn tell_nothing_more(&mut self, error: &ipc::Error) {
        (self.outbox, self.room) = (Outbox::default(), None);
        self.note_failure(error);
    }

    async fn perform(&mut self, action: Action) -> Result<(), ipc::Error> {
        match action {
            Action::Load => self.load(),
            Action::StartWorker => self.start_worker().await,
            Action::Announce => {
                if let Begin::Assigned { ready, .. } = self.take_begin() {
                    ready();
                }
                Ok(())
            }
            Action::Go => self.go(),
            Action::Kill => {
                self.client.send(&ToSpawner::Kill { worker: self.id }, &[]).await?;
                self.end_zygote().await
            }
            Action::EndZygote => self.end_zygote().await,
            Action::LimitExit => {
                self.note_after(EXIT, Event::ExitOverdue);
                Ok(())
            }
            Action::LimitDrain => {
                self.note_after(DRAIN, Event::DrainOver);
                Ok(())
            }
            Action::EndOutput => {
                self.over.tell();
                Ok(())
            }
            Action::AskToStop => {
                self.note_after(self.order.grace, Event::GraceOver);
                self.tell(&ToWorker::Tells(Reply::Stop), Vec::new())
            }
            Action::Feed => match &self.order.feed {
                Some(feed) => Ok(feed.begin(self.sender.clone())?),
                None => Ok(()),
            },
            Action::Serve(request) => {
                self.asked_for = Some(request);
                Ok(())
            }
            Action::Hear(said) => {
                self.kept = Some(said);
                Ok(())
            }
            Action::Finish => Ok(()),
        }
    }

    /// Nobody else is served by it, where it is this attempt's own.
    fn end_zygote(&self) -> impl Future<Output = Result<(), ipc::Error>> + use<'a> {
        let (client, zygote) = (self.client, self.id);
        let is_own = matches!(self.order.zygote, Zygote::Own(_));
        async move {
            match is_own {
                true => client.send(&ToSpawner::EndZygote { zygote }, &[]).await,
                false => Ok(()),
            }
        }
    }

    fn take_begin(&mut self) -> Begin {
        std::mem::replace(&mut self.order.begin, Begin::Assigned { ready: Box::new(|| {}) })
    }

    fn load(&mut self) -> Result<(), ipc::Error> {
        let Some((module, kind)) = self.module.take() else { return Ok(()) };
        let Some(module_socket) = &self.module_socket else { return Ok(()) };
        noting::note("module is found");
        send_packet(module_socket, &Load::Module { kind }, &[module.as_fd()])?;
        let (socket, sender) = (ready::watch_reading(module_socket.try_clone()?)?, self.sender.clone());
        self.tasks.spawn(async move {
            // A zygote that closes without an answer ends, which its spawner reports.
            if let Ok(Ok(answer)) = recv_ready::<Loaded>(&socket).await {
                let _ = sender.send(Note::Event(Event::Loaded(answer.message))).await;
            }
        });
        Ok(())
    }

    async fn start_worker(&mut self) -> Result<(), ipc::Error> {
        let Some(channel) = self.channel_there.take() else { return Ok(()) };
        let ends =
            self.order.ends.iter().flat_map(|ends| ends.stdio.iter().chain(&ends.connection).chain(&ends.coredump));
        let ends = std::iter::once(&channel).chain(ends).map(AsFd::as_fd);
        let granted = self.order.listeners.iter().chain(&self.order.directories).map(AsFd::as_fd);
        let fds: Vec<BorrowedFd<'_>> = ends.chain(granted).collect();
        let zygote = match self.order.zygote {
            Zygote::Own(_) => self.id,
            Zygote::Shared(zygote) => zygote,
        };
        let request = ToSpawner::StartWorker { zygote, worker: self.id, plan: self.order.worker.clone() };
        self.client.send(&request, &fds).await?;
        noting::note("worker is asked for");
        self.note_after(START, Event::StartOverdue);
        // The zygote's program is still starting: nothing waits for this process now.
        Ok(self.start_pumps()?)
    }

    fn go(&mut self) -> Result<(), ipc::Error> {
        let Begin::AtOnce(work) = self.take_begin() else { return Ok(()) };
        let is_probe = matches!(work, Work::Probe(_));
        (self.gone, self.stood) = (Some(Instant::now()), suspension::total());
        self.usage.start_us = sandhog_spec::units::micros(self.asked.elapsed());
        self.release_streams();
        // First of all: what follows takes its time beside the guest.
        self.tell(&ToWorker::Go(work), Vec::new())?;
        noting::note("go is told");
        // Native code of ours does not say that it reads.
        if let (Some(feed), true) = (&self.order.feed, is_probe) {
            feed.begin(self.sender.clone())?;
        }
        self.arm_deadline();
        if let Some(began) = self.order.began.take() {
            began();
        }
        Ok(())
    }

    /// The worker has its ends now: with ours gone, it alone keeps them open.
    fn release_streams(&mut self) {
        self.order.ends = None;
        self.order.listeners.clear();
        self.order.directories.clear();
    }

    /// Before `go`, until which nothing comes out of them.
    fn start_pumps(&mut self) -> io::Result<()> {
        for Pump { from, to, meter } in std::mem::take(&mut self.order.pumps) {
            let sender = self.sender.clone();
            match to {
                To::Stream { fd, manner } => {
                    let over = self.over.bell()?;
                    std::thread::Builder::new().name("output".into()).spawn(move || {
                        let end = output::pump(&from, &fd, &meter, &manner, Some(&*over));
                        drop(fd);
                        let _ = sender.blocking_send(Note::Output(end, from));
                    })?;
                }
                // Thousands of these would be thousands of threads.
                To::Sink(sink) => {
                    let (from, over) = (ready::watch_reading(from)?, self.over.hear());
                    self.tasks.spawn(async move {
                        let end = output::collect(&from, sink, &meter, over).await;
                        let _ = sender.send(Note::Output(end, from.into_inner())).await;
                    });
                }
            }
        }
        Ok(())
    }

    fn arm_deadline(&mut self) {
        if let Some(limit) = self.order.hard_deadline {
            self.note_after(limit, Event::DeadlinePassed);
        }
    }

    fn note_after(&mut self, time: Duration, event: Event) {
        let sender = self.sender.clone();
        self.tasks.spawn(async move {
            suspension::sleep(time).await;
            let _ = sender.send(Note::Event(event)).await;
        });
    }

    /// Passes on what the worker says, frame by frame, until it closes or breaks the protocol, or once it is over until the end
    /// of what lies in the socket then.
    fn listen(&mut self) -> WorkerEvents {
        let mut channel = Channel::new(Arc::clone(&self.channel), self.over.hear());
        let (sender, worker_events) = mpsc::channel(WORKER_EVENTS);
        self.tasks.spawn(async move {
            // Once: whatever more there is of them is a breach.
            let mut hears_stamps = noting::is_on();
            loop {
                let event = match channel.next_frame().await {
                    Ok(Ok(FromWorker::Stamps(stamps))) if hears_stamps => {
                        hears_stamps = false;
                        stamps::hear(Process::Worker, stamps);
                        continue;
                    }
                    Ok(Ok(message)) => Event::Message(message),
                    Ok(Err(Closed)) => Event::ChannelClosed,
                    Err(error) => Event::ChannelBroken(causes::one_line(&error)),
                };
                let last = !matches!(event, Event::Message(_));
                if sender.send(event).await.is_err() || last {
                    return;
                }
            }
        });
        worker_events
    }

    /// A process that has gone can't be told anything; that it has gone is on its way as an event of its own, with how.
    fn note_failure(&self, error: &ipc::Error) {
        if !error.is_gone() {
            let reason = format!("failed to talk to a process of ours: {}", causes::one_line(error));
            let cause = Cause::Failed(LostCause::Machine, reason);
            let _ = self.sender.try_send(Note::Event(Event::ModuleFailed(cause)));
        }
    }

    /// The zygote has served its attempt.
    async fn finish(&mut self) {
        self.tasks.abort_all();
        let _ = self.end_zygote().await;
    }
}

/// Hands what was said on as soon as there is room for it. Waits for ever where there is none to hand on; nothing of it is lost
/// when it is dropped before.
async fn hand_on<T>(to: Option<&mpsc::Sender<T>>, said: &mut Option<T>) {
    match (to, said.is_some()) {
        (Some(to), true) => match to.reserve().await {
            Ok(reserved) => {
                if let Some(said) = said.take() {
                    reserved.send(said);
                }
            }
            // Nobody serves it any more: it is over for this attempt.
            Err(_) => *said = None,
        },
        _ => std::future::pending().await,
    }
}
