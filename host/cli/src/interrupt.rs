//! What Ctrl-C means while a daemon does the work: the command ends, the work goes on.

use super::render;
use super::render::problem::Problem;
use super::surroundings;
use sandhog_protocol::exit_code;
use std::process::exit;
use std::thread::Builder;
use tokio::signal::unix::SignalKind;

/// What is said then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    pub what: &'static str,
    pub hint: &'static str,
}

/// From here on Ctrl-C says this and ends the command, unless it was started to ignore it.
pub(super) fn says(Word { what, hint }: Word) {
    let wait = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let came = runtime.block_on(async { surroundings::hear(SignalKind::interrupt()).ok()??.recv().await });
        if came.is_some() {
            render::progress::clear();
            render::report(&Problem::new(what).with_hint(hint));
            exit(exit_code::INTERRUPTED.into());
        }
    };
    // Without the thread Ctrl-C ends the command as well, only without a word.
    let _ = Builder::new().name("interrupt".into()).spawn(wait);
}
