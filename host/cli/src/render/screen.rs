//! What a person sees while a job runs: lines of its log, and on a terminal how far it is.

use super::progress::Progress as Line;
use super::{colour, is_dumb, variable};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sandhog_protocol::request::Level;
use sandhog_runtime::view::{LogLine, Progress, View};
use sandhog_spec::text::escape;
use std::io::{self, IsTerminal, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A terminal, with lines that come and one that stays.
pub struct Screen {
    /// The least level that is shown; None: nothing is.
    level: Option<Level>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<Bar>,
    /// What was written last did not end its line: the bar waits for the rest of it.
    line_is_open: bool,
}

/// How far an attempt is.
struct Bar {
    attempt: String,
    since: Instant,
    /// None: not on the screen just now.
    shown: Option<ProgressBar>,
}

impl Screen {
    /// Shows lines of `level` and above.
    pub fn new(level: Option<Level>) -> Self {
        Self { level, state: Mutex::default() }
    }

    fn shows(&self, level: Level) -> bool {
        self.level.is_some_and(|min_level| level >= min_level)
    }

    fn say(&self, text: &str) {
        let mut state = self.state();
        state.clear();
        // If nobody reads it there is nobody to tell.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View for Screen {
    fn compiling(&self, job: &str) -> Box<dyn Send> {
        Box::new(Line::start(&format!("compiling {job} (once; then it is cached)")))
    }

    fn beside(&self, write: &mut dyn FnMut() -> bool) {
        let mut state = self.state();
        state.clear();
        state.line_is_open = !write();
    }

    fn note(&self, text: &str) {
        if self.shows(Level::Warn) {
            self.say(&format!("sandhog: {}\n", escape(text)));
        }
    }

    fn log(&self, line: &LogLine) {
        if self.shows(line.level) {
            self.say(&text_of(line, colour(io::stderr().is_terminal(), &variable)));
        }
    }

    fn progress(&self, attempt: &str, progress: Option<&Progress>) {
        if !io::stderr().is_terminal() || is_dumb(&variable) {
            return;
        }
        let mut state = self.state();
        match progress {
            Some(progress) => state.show(attempt, progress),
            None => state.end(attempt),
        }
    }
}

impl State {
    /// Takes the bar from the screen; the next progress brings it back.
    fn clear(&mut self) {
        if let Some(shown) = self.bar.as_mut().and_then(|bar| bar.shown.take()) {
            shown.finish_and_clear();
        }
    }

    fn end(&mut self, attempt: &str) {
        if self.bar.as_ref().is_some_and(|bar| bar.attempt == attempt) {
            self.clear();
            self.bar = None;
        }
    }

    /// One line, one job: the first that tells how far it is.
    fn show(&mut self, attempt: &str, progress: &Progress) {
        let new = || Bar { attempt: attempt.to_owned(), since: Instant::now(), shown: None };
        let bar = self.bar.get_or_insert_with(new);
        if bar.attempt == attempt && !self.line_is_open {
            draw(bar.shown.get_or_insert_with(|| begin(progress, bar.since)), progress);
        }
    }
}

fn begin(progress: &Progress, since: Instant) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(progress.total, ProgressDrawTarget::stderr());
    let template = match progress.total {
        Some(_) => "{prefix} [{bar:30}] {pos}/{len} {wide_msg} ({elapsed})",
        None => "{prefix} {spinner} {pos} {wide_msg} ({elapsed})",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_elapsed(since.elapsed())
}

fn draw(bar: &ProgressBar, progress: &Progress) {
    bar.set_prefix(escape(&progress.job).into_owned());
    bar.set_message(escape(&progress.note).into_owned());
    if let Some(total) = progress.total {
        bar.set_length(total);
    }
    bar.set_position(progress.total.map_or(progress.done, |total| progress.done.min(total)));
}

/// `WARN job: text name=value`, in one line, whatever is in it.
fn text_of(line: &LogLine, colour: bool) -> String {
    let number = match line.level {
        Level::Trace | Level::Debug => 90,
        Level::Info => 32,
        Level::Warn => 33,
        Level::Error => 31,
    };
    let name = line.level.name();
    let level = if colour { format!("\x1b[{number}m{name}\x1b[0m") } else { name.into() };
    line.say(&level) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, fields: &[(&str, &str)]) -> String {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let fields = fields.iter().map(owned).collect();
        text_of(&LogLine { job: "sum".into(), level: Level::Warn, text: text.into(), fields }, false)
    }

    #[test]
    fn a_line_is_a_line_whatever_the_guest_says() {
        assert_eq!(line("two left", &[("n", "2"), ("of", "a b")]), "WARN sum: two left n=2 of=\"a b\"\n");
        assert_eq!(line("a\nb\x1b[2J", &[("x\n", "")]), "WARN sum: a\\nb\\u{1b}[2J x\\n=\"\"\n");
    }
}
