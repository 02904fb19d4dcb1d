//! The surroundings of a manifest: its path, the person, and a way to follow links.

use crate::job::Surroundings;
use std::path::{Path, PathBuf};

/// What a manifest depends on beside its text.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The absolute path of its file.
    pub file: &'a str,
    /// The name of the profile that is chosen; None: none is.
    pub profile: Option<&'a str>,
    pub surroundings: Surroundings<'a>,
    /// Where a path leads to when links are followed, as far as there is something; None where that can't be told.
    pub resolve: &'a dyn Fn(&Path) -> Option<PathBuf>,
}
