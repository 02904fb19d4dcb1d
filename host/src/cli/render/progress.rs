//! A line that says what takes so long: on a terminal only, on stderr, and only once it does take long.

use super::{is_dumb, variable};
use crate::config::text::escape;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long nothing is shown: what people take for "at once", with a margin.
const PATIENCE: Duration = Duration::from_millis(300);

/// How often the line moves: fast enough to look alive, and no load.
const TICK: Duration = Duration::from_millis(100);

/// A line that is there until this is dropped. Dropping it clears the line.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Closed to end the line; `None` where there is no terminal.
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to wait. It takes a thread, so the process that calls it must not fork afterwards.
    pub(crate) fn start(message: &str) -> Self {
        let visible = io::stderr().is_terminal() && !is_dumb(&variable);
        Self { shown: visible.then(|| spawn(escape(message).into())).flatten() }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.shown.take() {
            drop(end);
            // It has nothing to return, and a line that could not be drawn is no loss.
            let _ = thread.join();
        }
    }
}

/// The thread that shows the line; `None` where there can be none, and then there is no line.
fn spawn(message: String) -> Option<(Sender<()>, JoinHandle<()>)> {
    let (end, ended) = channel::<()>();
    let show = move || {
        if ended.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            line.set_style(style);
        }
        line.set_message(message);
        line.set_elapsed(PATIENCE);
        while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            line.tick();
        }
        line.finish_and_clear();
    };
    let thread = Builder::new().name("progress".into()).spawn(show).ok()?;
    Some((end, thread))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn what_is_quick_waits_for_nothing() {
        let start = Instant::now();
        drop(Progress { shown: spawn("compiling".into()) });
        assert!(start.elapsed() < PATIENCE);
    }
}
