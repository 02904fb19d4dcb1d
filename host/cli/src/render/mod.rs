//! What people and tools see: errors, verdicts, tables, JSON, progress. Errors and progress go to stderr.
//!
//! Must not: decide anything, or ask anybody but the terminal. Whatever comes from outside passes
//! [`sandhog_spec::text::escape`] on its way to a terminal, and a reader that has gone away is no error.

pub mod doctor;
pub mod done;
pub mod inspection;
pub mod lines;
pub mod manifest;
pub mod map;
pub mod map_screen;
pub mod objects;
pub mod phase;
pub mod pools;
pub mod problem;
pub mod progress;
pub mod ps;
#[cfg(test)]
pub mod samples;
pub mod screen;
pub mod show;
pub mod table;
pub mod time;
pub mod verdict;
pub mod width;

use super::args::{self, HelpArgs, Stop};
use clap::builder::StyledStr;
use problem::Problem;
use sandhog_protocol::exit_code;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

/// Prints a problem on stderr. If nobody reads it there is nobody to tell.
pub fn report(problem: &Problem) {
    aside(&problem.to_text(colour(io::stderr().is_terminal(), &variable)));
}

/// Prints text for people on stderr. If nobody reads it there is nobody to tell.
pub fn aside(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Prints a sentence about what has happened on stderr, as a message.
pub fn say(text: &str) {
    report(&Problem::new(text));
}

/// Prints warnings on stderr, a message each.
pub fn warn(warnings: &[String]) {
    warnings.iter().for_each(|warning| report(&Problem::new(format!("warning: {warning}"))));
}

/// Prints bytes on stdout, whole; a reader that has gone away is no error.
///
/// # Errors
/// As write(2): ENOSPC where stdout is a file on a full disk.
pub fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        answer => answer,
    }
}

/// What stdout is: whether people read it, with which colours, how wide.
#[derive(Clone, Copy, Debug)]
pub struct Paper {
    pub is_terminal: bool,
    pub colour: bool,
    /// In columns; None: as wide as one likes.
    pub width: Option<usize>,
}

impl Paper {
    pub fn of_stdout() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|size| is_terminal && size.ws_col > 0);
        let width = size.map(|size| size.ws_col.into());
        Self { is_terminal, colour: colour(is_terminal, &variable), width }
    }
}

/// Prints a value as one line of JSON; returns the exit code.
pub fn answer_json(value: &impl serde::Serialize) -> u8 {
    match serde_json::to_vec(value) {
        Ok(mut line) => {
            line.push(b'\n');
            answer(&line)
        }
        Err(error) => {
            report(&Problem::of(&error));
            exit_code::SANDHOG_FAILED
        }
    }
}

/// Shows why there is no command to carry out; returns the exit code.
pub fn stop(stop: &Stop) -> u8 {
    match stop {
        Stop::Answered(text) => answer(styled(text, io::stdout().is_terminal()).as_bytes()),
        Stop::NothingAsked(text) => {
            let text = styled(text, io::stderr().is_terminal());
            let _ = io::stderr().write_all(text.as_bytes());
            exit_code::REFUSED
        }
        Stop::Misused(problem) => {
            report(problem);
            exit_code::REFUSED
        }
    }
}

/// Shows a help topic; returns the exit code.
pub fn help(help: HelpArgs) -> u8 {
    match args::long_help(help.topic) {
        Some(text) => answer(styled(&text, io::stdout().is_terminal()).as_bytes()),
        None => answer(table::exit_codes().as_bytes()),
    }
}

/// Prints what was asked for; returns the exit code.
pub fn answer(bytes: &[u8]) -> u8 {
    print(bytes).map_or_else(|error| stdout_failed(&error), |()| exit_code::SUCCESS)
}

/// Says that stdout takes nothing; returns the exit code.
pub fn stdout_failed(error: &io::Error) -> u8 {
    report(&Problem::new(format!("failed to write to stdout: {error}")));
    exit_code::SANDHOG_FAILED
}

fn styled(text: &StyledStr, is_terminal: bool) -> String {
    if colour(is_terminal, &variable) { text.ansi().to_string() } else { text.to_string() }
}

/// Colour is for terminals that can show it, unless `NO_COLOR` is set and not empty (no-color.org).
fn colour(is_terminal: bool, variable: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    is_terminal && !refused && !is_dumb(variable)
}

/// A terminal that can't move its cursor.
fn is_dumb(variable: &dyn Fn(&str) -> Option<OsString>) -> bool {
    variable("TERM").is_some_and(|value| value == "dumb")
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        let none = |_: &str| None;
        let with = |name: &'static str, value: &'static str| move |asked: &str| (asked == name).then(|| value.into());
        assert!(colour(true, &none));
        assert!(!colour(false, &none));
        assert!(!colour(true, &with("NO_COLOR", "1")));
        assert!(colour(true, &with("NO_COLOR", "")));
        assert!(!colour(true, &with("TERM", "dumb")));
        assert!(colour(true, &with("TERM", "xterm-256color")));
    }
}
