//! Somebody in front of a terminal as the observer of what runs. A stop of the command is not held up by a slow one.

use super::observer::{Life, Observer, Told};
use super::output::Beside;
use super::stop::StopRequests;
use super::view::{LogLine, Progress, View};
use sandhog_protocol::request::Level;
use std::sync::Arc;

/// What is drawn on, and the news of a stop of the command.
pub(super) struct Screen {
    view: Arc<dyn View>,
    stopped: StopRequests,
}

impl Screen {
    pub(super) fn new(view: Arc<dyn View>, stopped: StopRequests) -> Self {
        Self { view, stopped }
    }
}

impl Observer for Screen {
    fn log(&self, line: LogLine) -> Told<'_> {
        Box::pin(show(&self.view, &self.stopped, move |view| view.log(&line)))
    }

    fn progress(&self, attempt: &str, progress: Option<Progress>) -> Told<'_> {
        let attempt = attempt.to_owned();
        Box::pin(show(&self.view, &self.stopped, move |view| view.progress(&attempt, progress.as_ref())))
    }

    fn life(&self, job: &str, _attempt: &str, life: Life) -> Told<'_> {
        let line = |level, text| LogLine { job: job.into(), level, text, fields: Vec::new() };
        match life {
            Life::Ready => self.log(line(Level::Debug, "ready".into())),
            Life::Retire(reason) => self.log(line(Level::Warn, format!("retires: {reason}"))),
            // Nobody watches a run in the foreground but the person in front of it.
            Life::Heartbeat => Box::pin(std::future::ready(())),
        }
    }

    fn beside(&self) -> Option<Beside> {
        let view = Arc::clone(&self.view);
        Some(Arc::new(move |write: &mut dyn FnMut() -> bool| view.beside(write)))
    }
}

/// Waits for a slow terminal, but not for longer than the command lasts.
pub(super) async fn show(view: &Arc<dyn View>, stopped: &StopRequests, show: impl FnOnce(&dyn View) + Send + 'static) {
    let (view, mut stopped) = (Arc::clone(view), stopped.clone());
    let shown = tokio::task::spawn_blocking(move || show(view.as_ref()));
    tokio::select! {
        _ = shown => {}
        _ = stopped.wait_for(Option::is_some) => {}
    }
}
