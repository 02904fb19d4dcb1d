//! What went wrong, where, and what to do: the one form of every message on stderr.

use clap::builder::styling::{AnsiColor, Effects, Style};
use sandhog_protocol::causes;
use sandhog_spec::setting::Names;
use sandhog_spec::{job, text::escape};
use std::error::Error;

const NAME: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const HINT: Style = AnsiColor::Cyan.on_default();

/// A message: `sandhog: WHAT: WHERE`, lines of detail, and hints. May hold text from anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    what: String,
    details: Vec<String>,
    hints: Vec<String>,
}

impl Problem {
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), details: Vec::new(), hints: Vec::new() }
    }

    /// An error and its causes, with the hint of those that have one.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let problem = Self::new(causes::one_line(error));
        let hint = error.downcast_ref::<job::Error>().and_then(|error| error.hint(Names::Flags));
        hint.into_iter().fold(problem, Self::with_hint)
    }

    /// A line between what went wrong and what to do.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What went wrong, alone.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The message as lines, each ended, each harmless to a terminal.
    pub fn to_text(&self, colour: bool) -> String {
        let paint = |style: Style, word: &str| if colour { format!("{style}{word}{style:#}") } else { word.into() };
        let mut text = format!("{} {}\n", paint(NAME, "sandhog:"), escape(&self.what));
        for detail in &self.details {
            text.push_str(&format!("    {}\n", escape(detail)));
        }
        for hint in &self.hints {
            text.push_str(&format!("  {} {}\n", paint(HINT, "hint:"), escape(hint)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_spec::job::{Job, Settings, Surroundings};

    #[test]
    fn a_problem_says_what_and_what_to_do() {
        let settings = Settings { module: "a.wasm".into(), user: Some("0".into()), ..Settings::default() };
        let error = Job::new(settings, Surroundings { is_root: true, variable: &|_| None }).unwrap_err();
        assert_eq!(
            Problem::of(&error).to_text(false),
            "sandhog: --user 0: a guest is never root\n  \
             hint: leave --user out for an identity that nobody else has, or name one: --user 1000:1000\n"
        );
    }

    #[test]
    fn a_refused_grant_is_said_once_and_with_its_hint() {
        let settings = Settings { module: "a.wasm".into(), directories: vec!["a::".into()], ..Settings::default() };
        let error = Job::new(settings, Surroundings { is_root: false, variable: &|_| None }).unwrap_err();
        assert_eq!(
            Problem::of(&error).to_text(false),
            "sandhog: --dir \"a::\": the guest's path is empty\n  \
             hint: write --dir HOST, --dir HOST::GUEST or --dir HOST::GUEST:rw\n"
        );
    }

    #[test]
    fn text_from_elsewhere_stays_on_its_line() {
        let problem = Problem::new("a\nb").with_detail("\x1b]0;title\x07").with_hint("c\u{202e}d");
        assert_eq!(problem.to_text(false), "sandhog: a\\nb\n    \\u{1b}]0;title\\u{7}\n  hint: c\\u{202e}d\n");
    }

    #[test]
    fn colour_is_around_the_words_that_are_ours() {
        let text = Problem::new("x").with_hint("y").to_text(true);
        assert_eq!(text, "\x1b[1m\x1b[31msandhog:\x1b[0m x\n  \x1b[36mhint:\x1b[0m y\n");
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed to open {name}")]
        struct Outer {
            name: &'static str,
            source: std::io::Error,
        }
        let error = Outer { name: "x", source: std::io::Error::other("no such disk") };
        assert_eq!(Problem::of(&error).to_text(false), "sandhog: failed to open x: no such disk\n");
    }
}
