//! The way to a group's objects, for attempts, for a daemon's fleet, and for whoever wants to look at them.

use super::actor::Actor;
use super::asked::{Given, Handed, Quota, Teller, Wanted, Who};
use super::message::{Answer, Message};
use super::row::Row;
use crate::coordinator::Coordinator;
use sandhog_protocol::objects::{Dead, Kind, Member, ObjectId, Right};
use sandhog_protocol::request::{ChildObject, Refused};
use sandhog_protocol::verdict::Verdict;
use sandhog_spec::job::Job;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Objects of a group. All clones are one; with the last one ends what keeps them.
#[derive(Clone)]
pub struct Group {
    messages: mpsc::UnboundedSender<Message>,
}

impl Group {
    /// A group without objects. `memory_bytes`: most of all together. `kept`: names whose objects stay without a user, and their kinds. Must be
    /// called inside the runtime.
    #[must_use]
    pub fn new(
        coordinator: &Arc<Coordinator>,
        memory_bytes: u64,
        kept: impl IntoIterator<Item = (String, Kind)>,
        teller: Teller,
    ) -> Self {
        let (messages, inbox) = mpsc::unbounded_channel();
        tokio::spawn(Actor::new(Arc::clone(coordinator), memory_bytes, teller).run(inbox));
        let group = Self { messages };
        group.keep(kept.into_iter().collect());
        group
    }

    /// Of a command that runs this job, and all that it starts. Whoever started the command is told of deadlocks.
    #[must_use]
    pub fn of_command(coordinator: &Arc<Coordinator>, job: &Job) -> Self {
        let names = job.grants.objects.iter().map(|grant| (grant.name.clone(), grant.kind));
        let screen = coordinator.noter();
        let teller: Teller = Arc::new(move |deadlock| screen(format!("deadlock: {deadlock}")));
        Self::new(coordinator, job.object_quota.memory_bytes, names, teller)
    }

    /// Objects of these names and kinds stay without a user, and no others.
    pub fn keep(&self, names: BTreeMap<String, Kind>) {
        self.tell(Message::Keep(names));
    }

    /// Most memory of all objects together, in bytes, from now on.
    pub fn set_memory(&self, bytes: u64) {
        self.tell(Message::Memory(bytes));
    }

    /// What there is to be seen of its objects.
    pub async fn look(&self) -> Vec<Row> {
        self.ask(Message::Look).await.unwrap_or_default()
    }

    /// Ends what keeps them; comes back when nothing of it is left.
    pub async fn close(&self) {
        let _ = self.ask(Message::Close).await;
    }

    pub(crate) async fn enter(&self, who: Arc<Who>, wanted: Wanted) -> Result<Given, Refused> {
        self.ask(|answer| Message::Enter { who, wanted, answer }).await.unwrap_or_else(|| Err(closed()))
    }

    /// # Errors
    /// There never was such an object.
    pub(crate) async fn leave(&self, attempt: String, object: ObjectId) -> Result<(), String> {
        self.ask(|answer| Message::Leave { attempt, object, answer }).await.unwrap_or(Ok(()))
    }

    /// # Errors
    /// As [`Group::leave`].
    pub(crate) async fn waits(&self, object: ObjectId) -> Result<(), String> {
        self.ask(|answer| Message::Waits { object, answer }).await.unwrap_or(Ok(()))
    }

    pub(crate) async fn hand(
        &self,
        parent: String,
        child: String,
        objects: Vec<ChildObject>,
        quota: Quota,
    ) -> Result<Vec<Handed>, Refused> {
        self.ask(|answer| Message::Hand { parent, child, objects, quota, answer })
            .await
            .unwrap_or_else(|| Err(closed()))
    }

    pub(crate) fn not_started(&self, parent: &str, child: &str) {
        self.tell(Message::NotStarted { parent: parent.into(), child: child.into() });
    }

    /// # Errors
    /// As [`Group::leave`].
    pub(crate) async fn hang_up(&self, attempt: String, object: ObjectId, end: Right) -> Result<(), String> {
        self.ask(|answer| Message::HangUp { attempt, object, end, answer }).await.unwrap_or(Ok(()))
    }

    pub(crate) async fn dead(&self, member: Member) -> Option<Dead> {
        self.ask(|answer| Message::Dead { member, answer }).await.flatten()
    }

    pub(crate) fn stop(&self, attempt: &str) {
        self.tell(Message::Stop { attempt: attempt.into() });
    }

    pub(crate) fn ended(&self, attempt: &str, verdict: &Verdict) {
        let code = sandhog_protocol::exit_code::of(verdict).into();
        self.tell(Message::Ended { attempt: attempt.into(), verdict: verdict.clone(), code });
    }

    fn tell(&self, message: Message) {
        // Where it has been closed, nobody is left whom it concerns.
        let _ = self.messages.send(message);
    }

    async fn ask<T>(&self, message: impl FnOnce(Answer<T>) -> Message) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.tell(message(answer));
        answered.await.ok()
    }
}

fn closed() -> Refused {
    Refused::Quota("the group's objects have been given up".into())
}
