//! Commands that work in a folder, as the person whom it belongs to.
//!
//! Must not: know how a command is started.

use crate::command::Command;
use crate::folder::Folder;
use crate::installed::program;
use crate::outcome::Outcome;
use crate::running::Running;
use std::ffi::OsStr;
use std::path::PathBuf;

impl Folder {
    /// `sandhog` with these words.
    pub fn sandhog(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        self.program(program(), words)
    }

    /// Any program with these words.
    pub fn program(&self, program: impl Into<PathBuf>, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        Command::program_in(self, program.into()).flags(words)
    }

    /// `sandhog run` with a verdict, to its end.
    pub fn run(&self, args: &[&str]) -> Outcome {
        self.start(args).wait()
    }

    /// `sandhog run` with a verdict; its stdin is a pipe that stays open.
    pub fn start(&self, args: &[&str]) -> Running {
        self.run_of(args).stdin_open().start()
    }

    /// `setup` in a shell with mounts of its own, then `sandhog run` in the same place.
    pub fn run_in_own_mounts(&self, setup: &str, args: &[&str]) -> Outcome {
        self.run_after(&["unshare", "--mount", "--propagation", "private"], setup, args)
    }

    /// `sandhog run` behind a program that calls a shell that does `setup` first.
    pub fn run_after(&self, before: &[&str], setup: &str, args: &[&str]) -> Outcome {
        self.run_of(args).under(before).after(setup).run()
    }

    fn run_of(&self, args: &[&str]) -> Command {
        self.sandhog(["run"]).flags(args).with_verdict()
    }
}
