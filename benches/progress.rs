//! How far a measurement is, on stderr: one line that is written over on a terminal, a line for each step elsewhere.

use std::io::{IsTerminal, Write};

pub(crate) struct Progress {
    what: &'static str,
    rounds: usize,
    terminal: bool,
}

impl Progress {
    pub(crate) fn start(what: &'static str, rounds: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        if !terminal {
            eprintln!("measuring {what}, {rounds} rounds");
        }
        Self { what, rounds, terminal }
    }

    /// Before round `done`, counted from 0.
    pub(crate) fn at(&self, done: usize) {
        if self.terminal {
            eprint!("\r\x1b[Kmeasuring {}: round {} of {}", self.what, done + 1, self.rounds);
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
