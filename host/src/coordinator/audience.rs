//! Who hears of what a job says, and of how its attempt goes: the screen of whoever started the command, or the daemon.

use super::fleet::attending::Attending;
use super::run::Halted;
use super::view::{LogLine, Progress, View};
use crate::supervisor::output::Beside;
use sandhog_protocol::request::Level;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What a guest says of its own life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Ready,
    Heartbeat,
    Retire(String),
}

#[derive(Clone)]
pub(super) enum Audience {
    /// Somebody in front of a terminal. A stop of the command is not held up by a slow one.
    Screen(Arc<dyn View>, Halted),
    /// The daemon, for one attempt and what that starts.
    Daemon(Arc<Attending>),
    Nobody,
}

impl Audience {
    pub(super) async fn log(&self, line: LogLine) {
        match self {
            Self::Screen(view, stopped) => show(view, stopped, move |view| view.log(&line)).await,
            Self::Daemon(attending) => attending.log(&line).await,
            Self::Nobody => {}
        }
    }

    /// `None`: it has ended.
    pub(super) async fn progress(&self, attempt: &str, progress: Option<Progress>) {
        match self {
            Self::Screen(view, stopped) => {
                let attempt = attempt.to_owned();
                show(view, stopped, move |view| view.progress(&attempt, progress.as_ref())).await;
            }
            Self::Daemon(attending) => attending.progress(attempt, progress),
            Self::Nobody => {}
        }
    }

    pub(super) async fn life(&self, job: &str, attempt: &str, life: Life) {
        let line = |level, text| LogLine { job: job.into(), level, text, fields: Vec::new() };
        match (self, life) {
            (Self::Screen(..), Life::Ready) => self.log(line(Level::Debug, "ready".into())).await,
            (Self::Screen(..), Life::Retire(reason)) => self.log(line(Level::Warn, format!("retires: {reason}"))).await,
            // Nobody watches a run in the foreground but the person in front of it.
            (Self::Screen(..), Life::Heartbeat) | (Self::Nobody, _) => {}
            (Self::Daemon(attending), life) => attending.life(attempt, life),
        }
    }

    /// There is a worker; its number at the spawner.
    pub(super) fn born(&self, attempt: &str, worker: u32, pidfd: &OwnedFd) {
        match self {
            Self::Screen(..) | Self::Nobody => {}
            Self::Daemon(attending) => attending.born(attempt, worker, pidfd),
        }
    }

    /// A guest begins.
    pub(super) fn began(&self, attempt: &str) {
        match self {
            Self::Screen(..) | Self::Nobody => {}
            Self::Daemon(attending) => attending.began(attempt),
        }
    }

    /// How output gets to the terminal that a view draws on.
    pub(super) fn beside(&self) -> Option<Beside> {
        match self {
            Self::Screen(view, _) => {
                let view = Arc::clone(view);
                Some(Arc::new(move |write: &mut dyn FnMut() -> bool| view.beside(write)))
            }
            Self::Daemon(_) | Self::Nobody => None,
        }
    }
}

/// Waits for a slow terminal, but not for longer than the command lasts.
pub(super) async fn show(view: &Arc<dyn View>, stopped: &Halted, show: impl FnOnce(&dyn View) + Send + 'static) {
    let (view, mut stopped) = (Arc::clone(view), stopped.clone());
    let shown = tokio::task::spawn_blocking(move || show(view.as_ref()));
    tokio::select! {
        _ = shown => {}
        _ = stopped.wait_for(Option::is_some) => {}
    }
}
