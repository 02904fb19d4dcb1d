//! A line that says what takes so long: on a terminal only, on stderr, and only once it does take long.

use super::{is_dumb, variable};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sandhog_spec::text::escape;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How long nothing is shown: what people take for "at once", with a margin.
const PATIENCE: Duration = Duration::from_millis(300);

/// How often the line moves: fast enough to look alive, and no load.
const TICK: Duration = Duration::from_millis(100);

/// A line that is there until this is dropped. Dropping it clears the line.
#[derive(Debug)]
pub struct Progress {
    /// Closed to end the line; `None` where there is no terminal.
    shown: Option<(Sender<String>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to wait. It takes a thread, so the process that calls it must not fork afterwards.
    pub fn start(message: &str) -> Self {
        let visible = io::stderr().is_terminal() && !is_dumb(&variable);
        Self { shown: visible.then(|| spawn(escape(message).into())).flatten() }
    }

    /// From now on it says this.
    pub fn say(&self, message: &str) {
        if let Some((line, _)) = &self.shown {
            // A line that is not drawn says nothing.
            let _ = line.send(escape(message).into());
        }
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

/// Clears whatever line there is, for a command that ends in the middle of it.
pub fn clear() {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() && !is_dumb(&variable) {
        let _ = stderr.write_all(b"\r\x1b[2K");
    }
}

/// The thread that shows the line; `None` where there can be none, and then there is no line.
fn spawn(message: String) -> Option<(Sender<String>, JoinHandle<()>)> {
    let (line, messages) = channel::<String>();
    let show = move || {
        let Some(message) = outlast(&messages, message) else { return };
        let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} ({elapsed})") {
            line.set_style(style);
        }
        line.set_message(message);
        line.set_elapsed(PATIENCE);
        loop {
            match messages.recv_timeout(TICK) {
                Ok(message) => line.set_message(message),
                Err(RecvTimeoutError::Timeout) => line.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        line.finish_and_clear();
    };
    let thread = Builder::new().name("progress".into()).spawn(show).ok()?;
    Some((line, thread))
}

/// The last message once it has taken long; None where it was over before.
fn outlast(messages: &Receiver<String>, mut message: String) -> Option<String> {
    let start = Instant::now();
    loop {
        match messages.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
            Ok(newer) => message = newer,
            Err(RecvTimeoutError::Timeout) => return Some(message),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quick_waits_for_nothing() {
        let start = Instant::now();
        drop(Progress { shown: spawn("compiling".into()) });
        assert!(start.elapsed() < PATIENCE);
    }
}
