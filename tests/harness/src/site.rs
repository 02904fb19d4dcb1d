//! The folder of a daemon that runs or could: its directories, and a manifest beside them.
//!
//! Must not: start the daemon.

use crate::command::Command;
use crate::folder::Folder;
use crate::installed::guest;
use crate::outcome::Outcome;
use std::fs;

/// A folder with the directories `state` and `runtime` of a daemon, where `sandhog.toml` is looked for.
pub struct Site(
    /// With whatever else lies there.
    pub Folder,
);

impl Site {
    /// Nothing is there.
    pub fn new() -> Self {
        Self(Folder::new())
    }

    /// With this manifest, and `a.wasm` beside it.
    pub fn with_manifest(manifest: impl AsRef<[u8]>) -> Self {
        let site = Self::new();
        fs::copy(guest("hello"), site.0.join("a.wasm")).unwrap();
        site.0.file("sandhog.toml", manifest);
        site
    }

    /// A path in it, as text.
    pub fn text(&self, name: &str) -> String {
        self.0.text(name)
    }

    /// `sandhog` with these words, for the daemon of these directories.
    pub fn command(&self, words: &[&str]) -> Command {
        let command = Command::sandhog(words).current_dir(self.0.path());
        command.env("SANDHOG_STATE_DIR", self.text("state")).env("SANDHOG_RUNTIME_DIR", self.text("runtime"))
    }

    /// The same to its end.
    pub fn sandhog(&self, words: &[&str]) -> Outcome {
        self.command(words).run()
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}
