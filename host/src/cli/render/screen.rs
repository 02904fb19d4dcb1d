//! What a person sees while a job runs: lines of its log, and on a terminal how far it is.

use super::progress::Progress as Line;
use super::{colour, is_dumb, variable};
use crate::config::text::escape;
use crate::coordinator::view::{LogLine, Progress, View};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sandhog_protocol::request::Level;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};

/// Stderr, with lines that come and one that stays.
pub(crate) struct Screen {
    /// The least level that is shown; None: nothing is.
    level: Option<Level>,
    /// The bar, and the attempt that it is about.
    bar: Mutex<Option<(String, ProgressBar)>>,
}

impl Screen {
    /// Shows lines of `level` and above.
    pub(crate) fn new(level: Option<Level>) -> Self {
        Self { level, bar: Mutex::default() }
    }

    fn with_bar<T>(&self, work: impl FnOnce(&mut Option<(String, ProgressBar)>) -> T) -> T {
        work(&mut self.bar.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl View for Screen {
    fn compiling(&self, job: &str) -> Box<dyn Send> {
        Box::new(Line::start(&format!("compiling {job} (once; then it is cached)")))
    }

    fn log(&self, line: &LogLine) {
        if self.level.is_none_or(|least| line.level < least) {
            return;
        }
        let text = text_of(line, colour(io::stderr().is_terminal(), &variable));
        self.with_bar(|bar| {
            // If nobody reads it there is nobody to tell.
            let print = || drop(io::stderr().lock().write_all(text.as_bytes()));
            match bar {
                Some((_, bar)) => bar.suspend(print),
                None => print(),
            }
        });
    }

    fn progress(&self, attempt: &str, progress: Option<&Progress>) {
        if !io::stderr().is_terminal() || is_dumb(&variable) {
            return;
        }
        self.with_bar(|bar| match (progress, &bar) {
            (None, Some((of, shown))) if of == attempt => {
                shown.finish_and_clear();
                *bar = None;
            }
            // One line, one job: the first that tells how far it is.
            (Some(progress), Some((of, shown))) if of == attempt => show(shown, progress),
            (Some(progress), None) => {
                let new = ProgressBar::with_draw_target(progress.total, ProgressDrawTarget::stderr());
                show(&new, progress);
                *bar = Some((attempt.to_owned(), new));
            }
            (None | Some(_), _) => {}
        });
    }
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let template = match progress.total {
        Some(_) => "{prefix} [{bar:30}] {pos}/{len} {msg} ({eta})",
        None => "{prefix} {spinner} {pos} {msg} ({elapsed})",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(escape(&progress.job).into_owned());
    bar.set_message(escape(&progress.note).into_owned());
    match progress.total {
        Some(total) => bar.set_length(total),
        None => bar.unset_length(),
    }
    bar.set_position(progress.done);
}

/// `WARN job: text name=value`, in one line, whatever is in it.
fn text_of(line: &LogLine, colour: bool) -> String {
    let (name, number) = match line.level {
        Level::Trace => ("TRACE", 90),
        Level::Debug => ("DEBUG", 90),
        Level::Info => ("INFO", 32),
        Level::Warn => ("WARN", 33),
        Level::Error => ("ERROR", 31),
    };
    let level = if colour { format!("\x1b[{number}m{name}\x1b[0m") } else { name.into() };
    let mut text = format!("{level} {}: {}", escape(&line.job), escape(&line.text));
    for (name, value) in &line.fields {
        let value = escape(value);
        let quoted = value.is_empty() || value.contains([' ', '"', '=']);
        // Writing to a String does not fail.
        let _ = match quoted {
            true => write!(text, " {}={value:?}", escape(name)),
            false => write!(text, " {}={value}", escape(name)),
        };
    }
    text.push('\n');
    text
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
