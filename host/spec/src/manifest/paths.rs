//! Paths of a manifest: relative to its folder, and inside it unless they say otherwise.

use super::value::{Reader, short};
use crate::grants::Directory;
use sandhog_protocol::plan::Access;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

impl Reader<'_> {
    /// The path as an absolute one. People may leave the folder on purpose, with an absolute path or with `..`; a link that
    /// does it for them is none of theirs.
    pub(super) fn path(&mut self, key: &str, position: usize, text: &str) -> String {
        let path = Path::new(text);
        if text.is_empty() || path.is_absolute() {
            return text.into();
        }
        let whole: PathBuf = self.folder().join(path).components().collect();
        let is_inside = !path.components().any(|part| part == Component::ParentDir);
        if let (true, Some(folder), Some(real)) = (is_inside, self.real_folder(), self.resolve(&whole))
            && !real.starts_with(folder)
        {
            let (text, real) = (short(text), short(&real.to_string_lossy()));
            let reason = "leaves the manifest's folder by a link, to";
            self.fault(
                position,
                format!("{key} \"{text}\": {reason} \"{real}\"; write that path itself if it is meant"),
            );
        }
        // Both parts are texts.
        whole.to_string_lossy().into_owned()
    }

    /// As `--dir` has it. What is none is left to whoever checks it.
    pub(super) fn directory(&mut self, position: usize, text: &str) -> String {
        let Ok(directory) = Directory::parse(OsStr::new(text)) else { return text.into() };
        let host = self.path("dir", position, &directory.host.to_string_lossy());
        let access = match directory.access {
            Access::ReadOnly => "ro",
            Access::ReadWrite => "rw",
        };
        format!("{host}::{}:{access}", directory.guest)
    }

    /// As `--child` has it.
    pub(super) fn child(&mut self, position: usize, text: &str) -> String {
        let Some((name, file)) = text.split_once('=') else { return text.into() };
        format!("{name}={}", self.path("child", position, file))
    }

    /// A file, or a word that is none.
    pub(super) fn stdin(&mut self, position: usize, text: &str) -> String {
        if matches!(text, "none" | "-") { text.into() } else { self.path("stdin", position, text) }
    }
}
