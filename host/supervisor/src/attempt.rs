//! One attempt as a pure state machine: events in, actions out.

use super::outcome::{Cause, Facts};
use sandhog_protocol::objects::FromKeeper;
use sandhog_protocol::request::Request;
use sandhog_protocol::spawn::{Exit, Loaded, SpawnFailure};
use sandhog_protocol::verdict::{LostCause, StopReason};
use sandhog_protocol::worker::{FromWorker, SealFailure};

/// How an output stream came to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum OutputEnd {
    /// The sender has closed and everything is through.
    Finished,
    /// The receiver has gone.
    ReceiverGone,
    /// The limit is used up and there was more.
    LimitReached,
    /// Reading or writing failed.
    Failed { reason: String },
}

/// What happens to an attempt.
#[derive(Debug)]
pub enum Event {
    /// The compiled module is there.
    ModuleReady,
    /// There will be none.
    ModuleFailed(Cause),
    ZygoteStarted,
    /// What it is to do has come, for one that waits for that.
    Assigned,
    ZygoteEnded(Option<SpawnFailure>),
    Loaded(Loaded),
    WorkerStarted,
    WorkerRefused(SpawnFailure),
    WorkerEnded(Exit),
    /// A message on the worker's channel.
    Message(FromWorker),
    /// The worker has closed its channel.
    ChannelClosed,
    /// What came on the channel is not our protocol.
    ChannelBroken(String),
    /// Nothing more is passed on of one of its output streams, and why; once for each stream.
    OutputEnded(OutputEnd),
    /// The hard limit behind the worker's own deadline.
    DeadlinePassed,
    /// The worker has reported long ago and has not ended.
    ExitOverdue,
    /// The worker was asked for long ago and has not said that it is sealed.
    StartOverdue,
    /// The worker has been gone for a while, and somebody has not read all of its output.
    DrainOver,
    /// It is to stop: one that listens is asked, any other is ended.
    Stop(StopReason),
    /// It was asked to stop, and has had its time.
    GraceOver,
    /// It is to end at once.
    Kill(Cause),
    SpawnerLost,
}

/// What is to be done for an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send the compiled module to the zygote.
    Load,
    /// Ask for the worker.
    StartWorker,
    /// It is sealed and waits for what it is to do: tell whoever has that.
    Announce,
    /// Tell the worker to begin, and start its hard deadline.
    Go,
    /// Its guest reads: let its input come.
    Feed,
    /// See to what it asks for.
    Serve(Request),
    /// Of a keeper: pass on what it says.
    Hear(FromKeeper),
    /// Tell it to stop, and when it has had its time.
    AskToStop,
    /// The zygote has served this attempt: it may end beside it.
    EndZygote,
    /// End worker and zygote.
    Kill,
    /// The worker has reported: tell when it has had time enough to end.
    LimitExit,
    /// The worker has gone: tell when whoever reads its output has had time enough for the rest.
    LimitDrain,
    /// What lies in its streams and its channel is all that it has left there: nothing more is waited for, whoever else may
    /// hold them open.
    EndOutput,
    /// The attempt is over; nothing may follow.
    Finish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// For its zygote, and its module if it has one.
    Waiting {
        zygote: bool,
        module: bool,
    },
    Cloning,
    Sealing,
    /// Sealed, and without anything to do.
    Ready,
    Running,
    Reported,
    /// The worker has been reaped, or there is none.
    Gone,
    Ended,
}

/// One attempt.
#[derive(Debug)]
pub struct Attempt {
    phase: Phase,
    has_module: bool,
    may_ask: bool,
    /// It keeps the objects of a group.
    keeps: bool,
    /// What it is to do comes later.
    waits: bool,
    /// Its zygote serves others as well.
    is_shared: bool,
    /// Of such a zygote: its greeting has overtaken the news of it. It begins with that: until then it may turn out that it was
    /// never started.
    greeted: bool,
    channel_open: bool,
    /// It has been told to begin.
    went: bool,
    /// It wants to be asked to stop.
    listens: bool,
    /// It reads its stdin.
    reads: bool,
    /// Output streams that are passed on from `go` on, and those of them that have not ended.
    streams: usize,
    outputs: usize,
    /// What it wrote is kept, even where it was stopped.
    is_kept: bool,
    /// Its guest had ended well when somebody wanted its end: what was wanted, until its output has had time enough.
    late: Option<Cause>,
    /// A failed step with the wall that it belongs to.
    with_wall: fn(SealFailure) -> SpawnFailure,
    facts: Facts,
}

impl Attempt {
    /// An attempt whose zygote has been asked for. `has_module`: its zygote loads one; `streams`: outputs that are
    /// passed on; `may_ask`: its requests are served; `with_wall`: which wall a step of sealing belongs to.
    pub fn new(has_module: bool, streams: usize, may_ask: bool, with_wall: fn(SealFailure) -> SpawnFailure) -> Self {
        let phase = Phase::Waiting { zygote: false, module: !has_module };
        Self {
            phase,
            has_module,
            may_ask,
            keeps: false,
            waits: false,
            is_shared: false,
            greeted: false,
            channel_open: true,
            went: false,
            listens: false,
            reads: false,
            streams,
            outputs: 0,
            is_kept: false,
            late: None,
            with_wall,
            facts: Facts::default(),
        }
    }

    /// One whose output is kept to its last byte, however it ends.
    pub fn keeping_output(self) -> Self {
        Self { is_kept: true, ..self }
    }

    /// One that keeps the objects of a group, and says what becomes of them.
    pub fn keeping_objects(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// One that waits, once it is sealed, until it is assigned something to do.
    pub fn waiting(self) -> Self {
        Self { waits: true, ..self }
    }

    /// One of a zygote that serves others as well.
    pub fn of_shared_zygote(self) -> Self {
        Self { is_shared: true, ..self }
    }

    pub fn into_facts(self) -> Facts {
        self.facts
    }

    /// Takes one event in and says what is to be done, in this order.
    #[must_use]
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        let mut actions = match event {
            _ if self.phase == Phase::Ended => Vec::new(),
            Event::ModuleReady => self.arrived(true),
            Event::ZygoteStarted => self.arrived(false),
            Event::Assigned => self.assigned(),
            Event::ModuleFailed(cause) => self.kill(cause),
            Event::ZygoteEnded(reason) => self.zygote_ended(reason),
            Event::Loaded(Loaded::Ready { .. }) => Vec::new(),
            Event::Loaded(Loaded::Refused { reason }) => self.kill(Cause::Refused(reason)),
            Event::Loaded(Loaded::Stale { reason }) => self.kill(Cause::Stale(reason)),
            Event::WorkerStarted => self.worker_started(),
            Event::WorkerRefused(reason) => {
                self.blame(Cause::Spawn(reason));
                self.enter(Phase::Gone)
            }
            Event::WorkerEnded(exit) => {
                self.facts.exit = Some(exit);
                self.phase = Phase::Gone;
                vec![Action::LimitDrain]
            }
            Event::StartOverdue => self.start_overdue(),
            Event::DrainOver => self.drain_over(),
            Event::Message(message) => self.message(message),
            Event::ChannelClosed => self.channel_closed(),
            Event::ExitOverdue => self.exit_overdue(),
            Event::ChannelBroken(reason) => {
                self.channel_open = false;
                self.kill(Cause::Breach(reason))
            }
            Event::OutputEnded(end) => self.output_ended(end),
            Event::DeadlinePassed if self.phase == Phase::Gone => vec![Action::EndOutput],
            Event::DeadlinePassed => self.kill(Cause::Deadline),
            Event::Stop(reason) => self.stop(reason),
            Event::GraceOver => self.facts.asked.map_or_else(Vec::new, |reason| self.kill(Cause::Stop(reason))),
            Event::Kill(cause) if self.phase == Phase::Gone => self.end_wait(cause),
            Event::Kill(cause) => self.kill(cause),
            Event::SpawnerLost => {
                self.blame(Cause::SpawnerLost);
                self.channel_open = false;
                self.enter(Phase::Gone)
            }
        };
        if self.is_over() {
            self.phase = Phase::Ended;
            actions.push(Action::Finish);
        }
        actions
    }

    /// What was waited for has come; both together start the worker.
    fn arrived(&mut self, what: bool) -> Vec<Action> {
        let Phase::Waiting { zygote, module } = self.phase else { return Vec::new() };
        let (zygote, module) = (zygote || !what, module || what);
        if !(zygote && module) {
            return self.enter(Phase::Waiting { zygote, module });
        }
        self.phase = Phase::Cloning;
        if self.has_module { vec![Action::Load, Action::StartWorker] } else { vec![Action::StartWorker] }
    }

    /// It may have been stopped while it was being cloned: then this is the first moment at which it can be ended.
    fn worker_started(&mut self) -> Vec<Action> {
        if self.phase == Phase::Cloning {
            self.phase = Phase::Sealing;
        }
        match (self.facts.cause.is_some(), self.went) {
            (true, _) => vec![Action::Kill],
            // Its greeting has overtaken the news of it.
            (false, true) if !self.is_shared => vec![Action::EndZygote],
            (false, false) if self.greeted => self.sealed(),
            (false, true | false) => Vec::new(),
        }
    }

    /// It has said that it is sealed.
    fn sealed(&mut self) -> Vec<Action> {
        if self.waits {
            self.phase = Phase::Ready;
            return vec![Action::Announce];
        }
        // Before the spawner has the worker from it the zygote must not end.
        let serves_no_other = self.phase == Phase::Sealing && !self.is_shared;
        let mut actions = self.go();
        actions.extend(serves_no_other.then_some(Action::EndZygote));
        actions
    }

    /// It has something to do. One that is not there any more never does it.
    fn assigned(&mut self) -> Vec<Action> {
        match self.phase {
            Phase::Ready if self.facts.cause.is_none() => self.go(),
            Phase::Ready
            | Phase::Waiting { .. }
            | Phase::Cloning
            | Phase::Sealing
            | Phase::Running
            | Phase::Reported
            | Phase::Gone
            | Phase::Ended => Vec::new(),
        }
    }

    fn go(&mut self) -> Vec<Action> {
        (self.phase, self.went, self.outputs) = (Phase::Running, true, self.streams);
        vec![Action::Go]
    }

    fn message(&mut self, message: FromWorker) -> Vec<Action> {
        match (self.phase, message) {
            // It is being ended; whatever it says, it does not begin.
            (Phase::Cloning | Phase::Sealing | Phase::Ready, _) if self.facts.cause.is_some() => Vec::new(),
            (Phase::Cloning, FromWorker::Hello { version: sandhog_protocol::VERSION })
                if self.is_shared && !self.greeted =>
            {
                self.greeted = true;
                Vec::new()
            }
            (Phase::Cloning | Phase::Sealing, FromWorker::Hello { version: sandhog_protocol::VERSION })
                if !self.greeted =>
            {
                self.sealed()
            }
            (Phase::Cloning | Phase::Sealing, FromWorker::Unsealed(failure)) => {
                self.kill(Cause::Spawn((self.with_wall)(failure)))
            }
            (Phase::Running, FromWorker::Asks(Request::Listens)) if self.may_ask => {
                self.listens = true;
                Vec::new()
            }
            (Phase::Running, FromWorker::Asks(Request::Reads)) if self.may_ask => {
                // Only the first time: whoever says it again has it already.
                if std::mem::replace(&mut self.reads, true) { Vec::new() } else { vec![Action::Feed] }
            }
            (Phase::Running, FromWorker::Asks(request)) if self.may_ask => vec![Action::Serve(request)],
            (Phase::Running, FromWorker::Kept(said)) if self.keeps => vec![Action::Hear(said)],
            (Phase::Running, FromWorker::Ended(report)) => self.reported(Cause::Reported(report)),
            (Phase::Running, FromWorker::Compiled(report)) => self.reported(Cause::Compiled(report)),
            (Phase::Running, FromWorker::Probed(report)) => self.reported(Cause::Probed(report)),
            // News of its end comes by another socket and may overtake its last words.
            (Phase::Gone, FromWorker::Ended(report)) if self.went => self.last_words(Cause::Reported(report)),
            (Phase::Gone, FromWorker::Compiled(report)) if self.went => self.last_words(Cause::Compiled(report)),
            (Phase::Gone, FromWorker::Probed(report)) if self.went => self.last_words(Cause::Probed(report)),
            (Phase::Gone, FromWorker::Unsealed(failure)) if !self.went => {
                self.last_words(Cause::Spawn((self.with_wall)(failure)))
            }
            // So it may what the guest said for people.
            (
                Phase::Gone,
                FromWorker::Asks(request @ (Request::Log { .. } | Request::Ready | Request::Retire { .. })),
            ) if self.went && self.may_ask => vec![Action::Serve(request)],
            // It ended before it began.
            (Phase::Gone, _) => Vec::new(),
            (_, FromWorker::Hello { .. }) => {
                self.kill(Cause::Breach("a greeting at the wrong time or of another version".into()))
            }
            (_, FromWorker::Asks(_)) => self.kill(Cause::Breach("a request at the wrong time".into())),
            (_, FromWorker::Unsealed(_) | FromWorker::Ended(_) | FromWorker::Compiled(_) | FromWorker::Probed(_)) => {
                self.kill(Cause::Breach("a report at the wrong time".into()))
            }
            (_, FromWorker::Kept(_)) => self.kill(Cause::Breach("a keeper's word at the wrong time".into())),
            // Whoever asked for them takes them before.
            (_, FromWorker::Stamps(_)) => self.kill(Cause::Breach("stamps that nobody asked for".into())),
        }
    }

    fn output_ended(&mut self, end: OutputEnd) -> Vec<Action> {
        self.outputs = self.outputs.saturating_sub(1);
        let cause = match end {
            OutputEnd::Finished => return Vec::new(),
            OutputEnd::LimitReached => Cause::OutputLimit,
            OutputEnd::ReceiverGone => Cause::Stop(StopReason::OutputClosed),
            OutputEnd::Failed { reason } => {
                Cause::Failed(LostCause::Output, format!("the job's output can't be passed on: {reason}"))
            }
        };
        // The guest may have ended well before that showed, but what it wrote has not arrived.
        if self.facts.exited() {
            self.facts.cause = None;
        }
        self.kill(cause)
    }

    fn last_words(&mut self, cause: Cause) -> Vec<Action> {
        self.blame(cause);
        Vec::new()
    }

    fn start_overdue(&mut self) -> Vec<Action> {
        match self.phase {
            Phase::Cloning | Phase::Sealing => {
                self.kill(Cause::Failed(LostCause::Start, "its worker did not start in time".into()))
            }
            Phase::Waiting { .. } | Phase::Ready | Phase::Running | Phase::Reported | Phase::Gone | Phase::Ended => {
                Vec::new()
            }
        }
    }

    /// A guest that ended by itself is like any program in a pipeline: its output waits for its reader, but for no other
    /// writer. One that was ended is over, even if nobody ever reads.
    fn drain_over(&mut self) -> Vec<Action> {
        if let Some(cause) = self.late.take() {
            return self.end_without_output(cause);
        }
        if self.phase == Phase::Gone && self.facts.exited() {
            return vec![Action::EndOutput];
        }
        if self.phase == Phase::Gone {
            (self.channel_open, self.outputs) = (false, 0);
        }
        Vec::new()
    }

    /// Somebody wants the end of an attempt of which nothing is left but its output. What is kept of it is kept. Whoever else
    /// reads it at once gets it all, and then the guest has ended as it did; a second wish waits for nobody.
    fn end_wait(&mut self, cause: Cause) -> Vec<Action> {
        if self.is_kept {
            return vec![Action::EndOutput];
        }
        if self.facts.exited() && self.late.is_none() {
            self.late = Some(cause);
            return vec![Action::EndOutput, Action::LimitDrain];
        }
        self.end_without_output(cause)
    }

    /// Since not all has arrived, the guest's good end does not count.
    fn end_without_output(&mut self, cause: Cause) -> Vec<Action> {
        if self.facts.exited() {
            self.facts.cause = None;
        }
        self.kill(cause)
    }

    fn reported(&mut self, cause: Cause) -> Vec<Action> {
        self.blame(cause);
        self.phase = Phase::Reported;
        vec![Action::LimitExit]
    }

    /// Nothing is left for it to do; one that stays all the same is ended, and keeps the verdict that it has.
    fn exit_overdue(&mut self) -> Vec<Action> {
        if self.phase == Phase::Reported { vec![Action::Kill] } else { Vec::new() }
    }

    /// A worker that can't be told anything any more has ended, or is to end. How it ended says why.
    fn channel_closed(&mut self) -> Vec<Action> {
        self.channel_open = false;
        match self.phase {
            Phase::Sealing | Phase::Ready | Phase::Running => vec![Action::Kill],
            Phase::Waiting { .. } | Phase::Cloning | Phase::Reported | Phase::Gone | Phase::Ended => Vec::new(),
        }
    }

    fn zygote_ended(&mut self, reason: Option<SpawnFailure>) -> Vec<Action> {
        match (self.phase, reason) {
            // Once it has cloned the worker it is not needed; its death ends no worker.
            (Phase::Sealing | Phase::Ready | Phase::Running | Phase::Reported | Phase::Gone | Phase::Ended, _) => {
                Vec::new()
            }
            (Phase::Waiting { .. } | Phase::Cloning, reason) => {
                self.blame(reason.map_or(Cause::ZygoteLost, Cause::Spawn));
                self.enter(Phase::Gone)
            }
        }
    }

    fn stop(&mut self, reason: StopReason) -> Vec<Action> {
        match (self.phase, self.facts.asked) {
            (Phase::Running, None) if self.listens => {
                self.facts.asked = Some(reason);
                vec![Action::AskToStop]
            }
            // It has its time already.
            (Phase::Running, Some(_)) => Vec::new(),
            (Phase::Gone, _) => self.end_wait(Cause::Stop(reason)),
            (Phase::Waiting { .. } | Phase::Cloning | Phase::Sealing | Phase::Ready | Phase::Running, None)
            | (Phase::Waiting { .. } | Phase::Cloning | Phase::Sealing | Phase::Ready, Some(_))
            | (Phase::Reported | Phase::Ended, _) => self.kill(Cause::Stop(reason)),
        }
    }

    /// Ends the attempt for this reason, unless it already has one. Before there is a worker there is none to wait for.
    fn kill(&mut self, cause: Cause) -> Vec<Action> {
        self.blame(cause);
        if let Phase::Waiting { .. } = self.phase {
            self.phase = Phase::Gone;
        }
        vec![Action::Kill]
    }

    /// The first cause is the one that counts; what follows is its consequence.
    fn blame(&mut self, cause: Cause) {
        self.facts.cause.get_or_insert(cause);
    }

    fn enter(&mut self, phase: Phase) -> Vec<Action> {
        self.phase = phase;
        Vec::new()
    }

    /// Gone, and nothing is on its way any more: a worker that was reaped closes channel and streams. Where none
    /// ran, or where nobody wants the output any more, nothing is waited for.
    fn is_over(&self) -> bool {
        let drained = !self.channel_open && self.outputs == 0;
        let unwanted = self.facts.is_stopped() && !self.is_kept;
        self.phase == Phase::Gone && (drained || self.facts.exit.is_none() || unwanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::objects::ObjectId;
    use sandhog_protocol::plan::Wall;
    use sandhog_protocol::request::Level;
    use sandhog_protocol::spawn::How;
    use sandhog_protocol::worker::{CompileReport, End, ProbeReport, Report};

    const EXIT: Exit = Exit { how: How::Exited(0), cpu_us: 1, peak_rss_bytes: 1, out_of_memory: false };

    fn new_attempt(has_module: bool, streams: usize, may_ask: bool) -> Attempt {
        Attempt::new(has_module, streams, may_ask, |failure| SpawnFailure { wall: Some(Wall::Seccomp), failure })
    }

    /// One of a pool, up to the moment at which it waits for a task.
    fn ready() -> Attempt {
        let mut attempt = new_attempt(false, 2, true).waiting().of_shared_zygote();
        assert_eq!(attempt.step(Event::ZygoteStarted), [Action::StartWorker]);
        assert_eq!(attempt.step(Event::WorkerStarted), []);
        assert_eq!(attempt.step(hello()), [Action::Announce]);
        attempt
    }

    #[test]
    fn one_that_waits_begins_when_it_is_assigned_something_and_leaves_its_zygote_to_others() {
        let mut attempt = ready();
        assert_eq!(attempt.step(Event::StartOverdue), []);
        assert_eq!(attempt.step(Event::ZygoteEnded(None)), []);
        assert_eq!(attempt.step(Event::Assigned), [Action::Go]);
        assert_eq!(attempt.step(Event::Assigned), []);
    }

    #[test]
    fn one_of_a_zygote_that_serves_others_begins_when_the_spawner_has_it() {
        let cloning = |waits: bool| {
            let attempt = new_attempt(false, 2, true).of_shared_zygote();
            let mut attempt = if waits { attempt.waiting() } else { attempt };
            assert_eq!(attempt.step(Event::ZygoteStarted), [Action::StartWorker]);
            assert_eq!(attempt.step(hello()), []);
            attempt
        };
        assert_eq!(cloning(true).step(Event::WorkerStarted), [Action::Announce]);
        assert_eq!(cloning(false).step(Event::WorkerStarted), [Action::Go]);
        assert_eq!(cloning(true).step(hello()), [Action::Kill], "once");
        let failure = SealFailure { step: "clone a worker".into(), errno: 1, what: String::new() };
        let failure = SpawnFailure { wall: None, failure };
        let mut attempt = cloning(true);
        assert_eq!(attempt.step(Event::WorkerRefused(failure)), [Action::Finish]);
        assert!(matches!(attempt.into_facts(), Facts { cause: Some(Cause::Spawn(_)), exit: None, .. }));
    }

    #[test]
    fn one_that_waits_ends_without_having_begun() {
        let mut attempt = ready();
        assert_eq!(attempt.step(Event::Stop(StopReason::Parent)), [Action::Kill]);
        assert_eq!(attempt.step(Event::Assigned), []);
        assert_eq!(attempt.step(Event::WorkerEnded(EXIT)), [Action::LimitDrain, Action::Finish]);
        let mut attempt = ready();
        assert_eq!(attempt.step(Event::ChannelClosed), [Action::Kill]);
        let mut attempt = ready();
        assert_eq!(attempt.step(Event::Message(FromWorker::Asks(Request::Ready))), [Action::Kill]);
    }

    fn running() -> Attempt {
        let mut attempt = new_attempt(true, 2, true);
        assert_eq!(attempt.step(Event::ZygoteStarted), []);
        assert_eq!(attempt.step(Event::ModuleReady), [Action::Load, Action::StartWorker]);
        assert_eq!(attempt.step(Event::WorkerStarted), []);
        assert_eq!(attempt.step(hello()), [Action::Go, Action::EndZygote]);
        attempt
    }

    fn hello() -> Event {
        Event::Message(FromWorker::Hello { version: sandhog_protocol::VERSION })
    }

    fn ended() -> Event {
        Event::Message(FromWorker::Ended(Report::of(End::Exited { code: 0 })))
    }

    #[test]
    fn it_finishes_when_worker_channel_and_both_streams_are_at_their_end() {
        let mut attempt = running();
        assert_eq!(attempt.step(ended()), [Action::LimitExit]);
        assert_eq!(attempt.step(Event::OutputEnded(OutputEnd::Finished)), []);
        assert_eq!(attempt.step(Event::WorkerEnded(EXIT)), [Action::LimitDrain]);
        assert_eq!(attempt.step(Event::ChannelClosed), []);
        assert_eq!(attempt.step(Event::DrainOver), [Action::EndOutput], "a reader may take its time, a writer may not");
        assert_eq!(attempt.step(Event::OutputEnded(OutputEnd::Finished)), [Action::Finish]);
        assert!(matches!(attempt.into_facts().cause, Some(Cause::Reported(_))));
    }

    #[test]
    fn a_guest_that_listens_is_asked_once_and_ended_after_its_time() {
        let mut attempt = running();
        assert_eq!(attempt.step(Event::Message(FromWorker::Asks(Request::Listens))), []);
        assert_eq!(attempt.step(Event::Stop(StopReason::Parent)), [Action::AskToStop]);
        assert_eq!(attempt.step(Event::Stop(StopReason::Interrupt)), []);
        assert_eq!(attempt.step(Event::GraceOver), [Action::Kill]);
        let facts = attempt.into_facts();
        assert_eq!((facts.cause, facts.asked), (Some(Cause::Stop(StopReason::Parent)), Some(StopReason::Parent)));
    }

    #[test]
    fn a_guest_that_does_not_listen_is_ended_at_once() {
        let mut attempt = running();
        assert_eq!(attempt.step(Event::Stop(StopReason::Parent)), [Action::Kill]);
    }

    #[test]
    fn requests_are_served_while_the_guest_runs_and_never_else() {
        let ready = || Event::Message(FromWorker::Asks(Request::Ready));
        let mut attempt = running();
        assert_eq!(attempt.step(ready()), [Action::Serve(Request::Ready)]);
        assert_eq!(attempt.step(ended()), [Action::LimitExit]);
        assert_eq!(attempt.step(ready()), [Action::Kill]);
        let mut early = new_attempt(false, 0, true);
        assert_eq!(early.step(Event::ZygoteStarted), [Action::StartWorker]);
        assert_eq!(early.step(ready()), [Action::Kill]);
        assert!(matches!(early.into_facts().cause, Some(Cause::Breach(_))));
    }

    #[test]
    fn a_keeper_is_heard_while_it_runs_and_nobody_else_speaks_of_objects() {
        let made = || FromKeeper::Made { object: ObjectId(1), errno: 0 };
        let kept = || Event::Message(FromWorker::Kept(made()));
        let mut keeper = new_attempt(false, 0, false).keeping_objects();
        assert_eq!(keeper.step(Event::ZygoteStarted), [Action::StartWorker]);
        assert_eq!(keeper.step(Event::WorkerStarted), []);
        assert_eq!(keeper.step(hello()), [Action::Go, Action::EndZygote]);
        assert_eq!(keeper.step(kept()), [Action::Hear(made())]);
        assert_eq!(keeper.step(Event::Message(FromWorker::Asks(Request::Ready))), [Action::Kill]);
        let mut guest = running();
        assert_eq!(guest.step(kept()), [Action::Kill]);
        assert!(matches!(guest.into_facts().cause, Some(Cause::Breach(_))));
    }

    /// What a worker says, or does to its channel.
    fn lie(chance: u64) -> Event {
        Event::Message(match chance % 13 {
            0..=2 => FromWorker::Hello { version: sandhog_protocol::VERSION },
            3 => FromWorker::Hello { version: 7 },
            4 => FromWorker::Unsealed(SealFailure { step: "lie".into(), errno: 1, what: "lie".into() }),
            5 => FromWorker::Asks(Request::Listens),
            6 => FromWorker::Asks(Request::Kill { child: 1 }),
            7 => FromWorker::Ended(Report::of(End::Exited { code: 0 })),
            8 => FromWorker::Compiled(CompileReport::Cpu),
            9 => FromWorker::Probed(ProbeReport { stopped: true, detail: "lie".into() }),
            10 => return Event::ChannelClosed,
            11 => FromWorker::Kept(FromKeeper::Made { object: ObjectId(1), errno: 0 }),
            _ => return Event::ChannelBroken("lie".into()),
        })
    }

    /// What happens beside it: as much of it, and in such an order, as no machine would.
    fn chance_event(chance: u64) -> Event {
        match chance % 16 {
            0 => Event::ZygoteStarted,
            1 => Event::ModuleReady,
            2 => Event::WorkerStarted,
            3 => Event::ZygoteEnded(None),
            4 => Event::Stop(StopReason::Interrupt),
            5 => Event::Kill(Cause::Stop(StopReason::Parent)),
            6 => Event::GraceOver,
            7 => Event::DrainOver,
            8 => Event::ExitOverdue,
            9 => Event::StartOverdue,
            10 => Event::DeadlinePassed,
            11 => Event::OutputEnded(OutputEnd::Finished),
            other => lie(chance / 16 + other),
        }
    }

    #[test]
    fn whatever_a_worker_says_and_whenever_there_is_one_end() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut chance = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed >> 8
        };
        for _ in 0..100_000 {
            let is_regular = chance() % 2 == 0;
            let mut attempt = if is_regular { running() } else { new_attempt(true, 2, true) };
            let (mut went, mut over, mut reported) = (usize::from(is_regular), 0, false);
            let mut events: Vec<Event> = (0..chance() % 12).map(|_| chance_event(chance())).collect();
            events.extend([Event::WorkerEnded(EXIT), Event::ChannelClosed, Event::DrainOver]);
            events.extend([0; 2].map(|_| Event::OutputEnded(OutputEnd::Finished)));
            for event in events {
                let told = format!("{event:?}");
                let actions = attempt.step(event);
                assert!(over == 0 || actions.is_empty(), "{told} after the end: {actions:?}");
                went += actions.iter().filter(|action| **action == Action::Go).count();
                over += actions.iter().filter(|action| **action == Action::Finish).count();
                let serves = actions.iter().any(|action| matches!(action, Action::Serve(_)));
                assert!(!serves || went == 1 && !reported, "{told}");
                reported |= actions.contains(&Action::LimitExit);
            }
            assert!(went <= 1 && over == 1, "began {went} times, ended {over} times");
            let facts = attempt.into_facts();
            assert!(!facts.exited() || went == 1, "{facts:?}");
        }
    }

    #[test]
    fn a_report_that_its_end_overtakes_still_counts() {
        let mut attempt = running();
        assert_eq!(attempt.step(Event::WorkerEnded(EXIT)), [Action::LimitDrain]);
        for event in [ended(), Event::OutputEnded(OutputEnd::Finished)] {
            assert_eq!(attempt.step(event), []);
        }
        assert_eq!(attempt.step(Event::ChannelClosed), []);
        assert_eq!(attempt.step(Event::OutputEnded(OutputEnd::Finished)), [Action::Finish]);
        assert!(matches!(attempt.into_facts().cause, Some(Cause::Reported(_))));
    }

    #[test]
    fn output_that_did_not_arrive_counts_more_than_a_good_end() {
        let mut attempt = running();
        assert_eq!(attempt.step(ended()), [Action::LimitExit]);
        assert_eq!(attempt.step(Event::OutputEnded(OutputEnd::Failed { reason: "no space".into() })), [Action::Kill]);
        assert!(matches!(attempt.into_facts().cause, Some(Cause::Failed(LostCause::Output, _))));
    }

    #[test]
    fn a_guest_that_was_ended_does_not_wait_for_who_never_reads() {
        let mut attempt = running();
        assert_eq!(attempt.step(Event::DeadlinePassed), [Action::Kill]);
        assert_eq!(attempt.step(Event::WorkerEnded(EXIT)), [Action::LimitDrain]);
        assert_eq!(attempt.step(Event::ChannelClosed), []);
        assert_eq!(attempt.step(Event::DrainOver), [Action::Finish]);
    }

    /// A guest that has ended by itself, with a stream and perhaps its channel that somebody holds open.
    fn lingering() -> Attempt {
        let mut attempt = running();
        assert_eq!(attempt.step(ended()), [Action::LimitExit]);
        assert_eq!(attempt.step(Event::OutputEnded(OutputEnd::Finished)), []);
        assert_eq!(attempt.step(Event::WorkerEnded(EXIT)), [Action::LimitDrain]);
        attempt
    }

    #[test]
    fn a_deadline_ends_the_wait_for_other_writers_and_changes_no_verdict() {
        let mut attempt = lingering();
        assert_eq!(attempt.step(Event::DeadlinePassed), [Action::EndOutput]);
        assert_eq!(attempt.step(Event::ChannelClosed), []);
        assert_eq!(attempt.step(Event::OutputEnded(OutputEnd::Finished)), [Action::Finish]);
        assert!(attempt.into_facts().exited());
    }

    #[test]
    fn a_stop_ends_the_wait_for_a_reader() {
        let stop: fn() -> Event = || Event::Stop(StopReason::Terminate);
        let kill: fn() -> Event = || Event::Kill(Cause::Stop(StopReason::Terminate));
        for event in [stop, kill] {
            let mut attempt = lingering();
            assert_eq!(attempt.step(event()), [Action::EndOutput, Action::LimitDrain]);
            assert_eq!(attempt.step(Event::DrainOver), [Action::Kill, Action::Finish]);
            assert_eq!(attempt.into_facts().cause, Some(Cause::Stop(StopReason::Terminate)));
            let mut attempt = lingering();
            assert_eq!(attempt.step(event()), [Action::EndOutput, Action::LimitDrain]);
            assert_eq!(attempt.step(event()), [Action::Kill, Action::Finish], "a second one waits for nobody");
        }
    }

    #[test]
    fn a_stop_that_comes_after_a_good_end_changes_nothing_where_the_output_arrives() {
        let mut attempt = lingering();
        let stop = Event::Stop(StopReason::Interrupt);
        assert_eq!(attempt.step(stop), [Action::EndOutput, Action::LimitDrain]);
        assert_eq!(attempt.step(Event::ChannelClosed), []);
        assert_eq!(attempt.step(Event::OutputEnded(OutputEnd::Finished)), [Action::Finish]);
        assert!(attempt.into_facts().exited());
    }

    #[test]
    fn what_is_kept_of_a_guest_that_has_ended_is_kept_even_if_it_is_stopped_then() {
        let mut attempt = lingering().keeping_output();
        assert_eq!(attempt.step(Event::Stop(StopReason::Terminate)), [Action::EndOutput]);
        assert_eq!(attempt.step(Event::Kill(Cause::SigKilled)), [Action::EndOutput]);
        assert_eq!(attempt.step(Event::ChannelClosed), []);
        assert_eq!(attempt.step(Event::OutputEnded(OutputEnd::Finished)), [Action::Finish]);
        assert!(attempt.into_facts().exited());
    }

    #[test]
    fn a_zygote_lives_until_its_worker_is_known() {
        let mut attempt = new_attempt(false, 0, true);
        assert_eq!(attempt.step(Event::ZygoteStarted), [Action::StartWorker]);
        assert_eq!(attempt.step(hello()), [Action::Go], "the spawner has not said so yet");
        assert_eq!(attempt.step(Event::WorkerStarted), [Action::EndZygote]);
    }

    #[test]
    fn a_worker_that_never_starts_is_given_up() {
        let mut attempt = new_attempt(false, 0, true);
        assert_eq!(attempt.step(Event::ZygoteStarted), [Action::StartWorker]);
        assert_eq!(attempt.step(Event::StartOverdue), [Action::Kill]);
        let mut attempt = running();
        assert_eq!(attempt.step(Event::StartOverdue), [], "it has started");
    }

    #[test]
    fn a_worker_that_closes_its_channel_or_stays_after_its_report_is_ended() {
        let mut attempt = running();
        assert_eq!(attempt.step(Event::ChannelClosed), [Action::Kill]);
        let mut attempt = running();
        assert_eq!(attempt.step(ended()), [Action::LimitExit]);
        assert_eq!(attempt.step(Event::ExitOverdue), [Action::Kill]);
        assert!(matches!(attempt.into_facts().cause, Some(Cause::Reported(_))));
    }

    #[test]
    fn a_line_of_the_log_is_served_even_if_the_workers_end_is_known_first() {
        let mut attempt = running();
        assert_eq!(attempt.step(Event::WorkerEnded(EXIT)), [Action::LimitDrain]);
        let log = Request::Log { level: Level::Info, text: "last words".into(), fields: Vec::new() };
        assert_eq!(attempt.step(Event::Message(FromWorker::Asks(log.clone()))), [Action::Serve(log)]);
        let stop = Request::Stop { child: 1 };
        assert_eq!(attempt.step(Event::Message(FromWorker::Asks(stop))), [], "nobody is there for the answer");
        assert_eq!(attempt.step(ended()), []);
        assert!(matches!(attempt.into_facts().cause, Some(Cause::Reported(_))));
    }

    #[test]
    fn a_wall_that_fails_is_named_even_if_the_workers_end_is_known_first() {
        let mut attempt = new_attempt(false, 0, true);
        let _ = attempt.step(Event::ZygoteStarted);
        let _ = attempt.step(Event::WorkerStarted);
        assert_eq!(attempt.step(Event::WorkerEnded(EXIT)), [Action::LimitDrain]);
        let failure = sandhog_protocol::worker::SealFailure { step: "landlock".into(), errno: 1, what: String::new() };
        assert_eq!(attempt.step(Event::Message(FromWorker::Unsealed(failure))), []);
        assert_eq!(attempt.step(Event::ChannelClosed), [Action::Finish]);
        assert!(matches!(attempt.into_facts().cause, Some(Cause::Spawn(SpawnFailure { wall: Some(_), .. }))));
    }

    #[test]
    fn it_never_finishes_twice() {
        let mut attempt = new_attempt(true, 2, true);
        assert_eq!(attempt.step(Event::SpawnerLost), [Action::Finish]);
        assert_eq!(attempt.step(Event::SpawnerLost), []);
        assert_eq!(attempt.step(Event::Stop(StopReason::Interrupt)), []);
    }

    #[test]
    fn a_stop_waits_for_the_worker_but_for_nobody_who_reads_slowly() {
        let mut attempt = running();
        assert_eq!(attempt.step(Event::Stop(StopReason::Interrupt)), [Action::Kill]);
        assert_eq!(attempt.step(Event::WorkerEnded(EXIT)), [Action::LimitDrain, Action::Finish]);
    }

    #[test]
    fn a_worker_that_arrives_after_the_stop_is_killed_as_well() {
        let mut attempt = new_attempt(false, 0, true);
        assert_eq!(attempt.step(Event::ZygoteStarted), [Action::StartWorker]);
        assert_eq!(attempt.step(Event::Stop(StopReason::Terminate)), [Action::Kill]);
        assert_eq!(attempt.step(Event::WorkerStarted), [Action::Kill]);
        assert_eq!(attempt.step(hello()), [], "it does not begin");
        assert_eq!(attempt.step(Event::WorkerEnded(EXIT)), [Action::LimitDrain, Action::Finish]);
    }

    #[test]
    fn stamps_that_nobody_asked_for_are_a_breach() {
        let mut attempt = new_attempt(false, 0, true);
        let _ = attempt.step(Event::ZygoteStarted);
        let _ = attempt.step(hello());
        assert!(attempt.step(Event::Message(FromWorker::Stamps(Vec::new()))).contains(&Action::Kill));
        assert!(matches!(attempt.into_facts().cause, Some(Cause::Breach(_))));
    }

    #[test]
    fn a_report_before_go_is_a_breach() {
        let mut attempt = new_attempt(false, 0, true);
        let _ = attempt.step(Event::ZygoteStarted);
        assert_eq!(attempt.step(ended()), [Action::Kill]);
        assert!(matches!(attempt.into_facts().cause, Some(Cause::Breach(_))));
    }

    #[test]
    fn a_second_report_is_a_breach_but_the_first_one_counts() {
        let mut attempt = running();
        assert_eq!(attempt.step(ended()), [Action::LimitExit]);
        assert_eq!(attempt.step(ended()), [Action::Kill]);
        assert!(matches!(attempt.into_facts().cause, Some(Cause::Reported(_))));
    }
}
