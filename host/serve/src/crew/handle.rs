//! The way to the task, for whoever keeps a job up.

use super::actor::{Actor, Around};
use super::message::{Inbox, Message};
use super::opened::Opened;
use super::runner::{self, Runner};
use super::settings::{CrewSettings, Keep};
use super::told::CrewTold;
use crate::dispatcher::Dispatcher;
use crate::status::{Status, up};
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::error::Error;
use sandhog_runtime::objects::Group;
use sandhog_spec::job::Job;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// The way to the task.
pub struct Crew {
    inbox: Inbox,
    status: watch::Receiver<Status>,
    dispatcher: Dispatcher,
    coordinator: Arc<Coordinator>,
    job: Arc<Job>,
}

impl Crew {
    /// Opens what the job may use, and asks for its workers: [`Self::up`] says what came of that.
    ///
    /// # Errors
    /// There is nothing to run: no module, no such directory.
    pub async fn open(
        coordinator: &Arc<Coordinator>,
        settings: CrewSettings,
        dispatcher: &Dispatcher,
        told: Arc<dyn CrewTold>,
    ) -> Result<Self, Error> {
        let CrewSettings { job, rules, scale } = settings;
        let job = Arc::new(job);
        let opened = Opened::now(coordinator, &job).await?;
        let runner = runner::of(coordinator);
        let group = job.has_objects().then(|| Group::of_command(coordinator, &job));
        let keep = Keep { job: Arc::clone(&job), rules, scale, opened, group };
        let (inbox, status) = begin(runner, keep, dispatcher, told);
        Ok(Self { inbox, status, dispatcher: dispatcher.clone(), coordinator: Arc::clone(coordinator), job })
    }

    /// Comes back when the first worker is ready, or when it is certain that none will be.
    ///
    /// # Errors
    /// How it stands then. A module that is refused is known by the first worker.
    pub async fn up(&self) -> Result<(), Status> {
        up(self.status.clone()).await
    }

    /// How it stands, from now on.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// The operator speaks: what the job's paths lead to now is what it may use. One worker after the other has a successor; the
    /// old one goes when that is ready. Comes back when all is opened; how it goes on, notices say.
    ///
    /// # Errors
    /// As [`Self::open`]; nothing has changed then.
    pub async fn reload(&self) -> Result<(), Error> {
        let opened = Opened::now(&self.coordinator, &self.job).await?;
        let _ = self.inbox.send(Message::Reload(Box::new(opened)));
        Ok(())
    }

    /// There are to be so many workers, within the bounds.
    pub fn scale(&self, workers: u32) {
        let _ = self.inbox.send(Message::Scale(workers));
    }

    /// Accepts no more connections, and asks all workers to stop: each finishes the requests that it has, within its grace. Comes
    /// back when nothing runs any more.
    pub async fn drain(&self) {
        tokio::join!(self.dispatcher.drain(), stopped(&self.inbox, self.status.clone()));
    }

    /// The same at once: whatever has not stopped is killed. For a second signal, while [`Self::drain`] waits.
    pub fn kill(&self) {
        let _ = self.inbox.send(Message::ShutDownNow);
    }
}

/// Begins the task.
pub(super) fn begin(
    runner: Arc<dyn Runner>,
    keep: Keep,
    dispatcher: &Dispatcher,
    told: Arc<dyn CrewTold>,
) -> (Inbox, watch::Receiver<Status>) {
    let (inbox, mail) = mpsc::unbounded_channel();
    let (tell, status) = watch::channel(Status::Starting);
    let around = Around { runner, dispatcher: dispatcher.clone(), told, inbox: inbox.clone() };
    tokio::spawn(Actor::new(around, keep, tell).run(mail));
    (inbox, status)
}

/// Asks for the end, and waits for it.
pub(super) async fn stopped(inbox: &Inbox, mut status: watch::Receiver<Status>) {
    let _ = inbox.send(Message::ShutDown);
    // Where the task has ended there is nothing to wait for.
    let _ = status.wait_for(|status| matches!(status, Status::Over | Status::SpawnerLost)).await;
}
