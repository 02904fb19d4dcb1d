//! What a person sees while `map` runs: lines of the jobs' logs, their output, and on a terminal one line that tells how far
//! it is.
//!
//! Must not: count.

use super::map;
use super::screen::Screen;
use super::{is_dumb, variable};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sandhog_protocol::request::Level;
use sandhog_runtime::map::tally::Tally;
use sandhog_runtime::map::workers::Watcher;
use sandhog_runtime::view::{LogLine, Progress, View};
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

/// How long nothing is shown: what people take for "at once", with a margin.
const PATIENCE: Duration = Duration::from_millis(300);

/// How often the line moves by itself.
const TICK: Duration = Duration::from_millis(100);

/// A terminal, with lines that come and one that stays.
pub struct MapScreen {
    /// For everything but the line.
    screen: Screen,
    /// None: there is no line.
    line: Option<Arc<Line>>,
}

struct Line {
    since: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    shown: Option<ProgressBar>,
    tally: Tally,
    /// Modules that are being compiled, which have a line of their own.
    compiling: u64,
    /// What was written last did not end its line: the bar waits for the rest of it.
    line_is_open: bool,
}

impl MapScreen {
    /// Shows log lines of `level` and above; `progress`: and how far it is, where there is a terminal.
    pub fn new(level: Option<Level>, progress: bool) -> Self {
        let is_wanted = progress && io::stderr().is_terminal() && !is_dumb(&variable);
        let line = || Arc::new(Line { since: Instant::now(), state: Mutex::default() });
        Self { screen: Screen::new(level), line: is_wanted.then(line) }
    }

    /// From now on tasks run. It takes a thread, so the process that calls it must not fork afterwards.
    pub fn begin(&self) {
        let Some(line) = &self.line else { return };
        let line = Arc::downgrade(line);
        // Without the thread the line is there with the first task that is done.
        let _ = Builder::new().name("progress".into()).spawn(move || {
            sleep(PATIENCE);
            line.upgrade().as_deref().map(Line::show);
        });
    }

    /// Takes the line away for good.
    pub fn end(&self) {
        if let Some(line) = &self.line {
            let mut state = line.state();
            state.line_is_open = true;
            state.clear();
        }
    }

    fn clear(&self) {
        if let Some(line) = &self.line {
            line.state().clear();
        }
    }
}

impl Watcher for MapScreen {
    fn counts(&self, tally: &Tally) {
        let Some(line) = &self.line else { return };
        let mut state = line.state();
        if state.tally != *tally {
            state.tally = tally.clone();
            state.draw(line.since.elapsed());
        }
    }

    fn beside(&self, write: &mut dyn FnMut() -> bool) {
        View::beside(self, write);
    }
}

impl View for MapScreen {
    fn compiling(&self, job: &str) -> Box<dyn Send> {
        self.clear();
        let compiling = self.line.as_ref().map(Compiling::begin);
        Box::new((self.screen.compiling(job), compiling))
    }

    fn beside(&self, write: &mut dyn FnMut() -> bool) {
        let Some(line) = &self.line else { return self.screen.beside(write) };
        let mut state = line.state();
        state.clear();
        state.line_is_open = !write();
    }

    fn note(&self, text: &str) {
        self.clear();
        self.screen.note(text);
    }

    fn log(&self, line: &LogLine) {
        self.clear();
        self.screen.log(line);
    }

    /// Many jobs run at the same time: how far one of them is says nothing.
    fn progress(&self, _: &str, _: Option<&Progress>) {}
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self) {
        self.state().draw(self.since.elapsed());
    }
}

impl State {
    /// Takes the line from the screen; the next count brings it back.
    fn clear(&mut self) {
        if let Some(shown) = self.shown.take() {
            shown.finish_and_clear();
        }
    }

    fn draw(&mut self, elapsed: Duration) {
        if self.line_is_open || self.compiling > 0 || elapsed < PATIENCE {
            return;
        }
        let (tally, shown) = (&self.tally, self.shown.get_or_insert_with(bar));
        if let Some(total) = tally.total {
            if shown.length().is_none() {
                style(shown, "[{bar:30}] {wide_msg}");
            }
            shown.set_length(total);
        }
        shown.set_message(map::line(tally, elapsed));
        shown.set_position(tally.done() + tally.passed);
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    style(&bar, "{spinner} {wide_msg}");
    bar.enable_steady_tick(TICK);
    bar
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

/// A module is being compiled until this is dropped.
struct Compiling(Weak<Line>);

impl Compiling {
    fn begin(line: &Arc<Line>) -> Self {
        line.state().compiling += 1;
        Self(Arc::downgrade(line))
    }
}

impl Drop for Compiling {
    fn drop(&mut self) {
        if let Some(line) = self.0.upgrade() {
            line.state().compiling -= 1;
        }
    }
}
