//! An error in a setting: the setting, the given value, and the reason.

use super::bounds::Reason;
use super::list::Setting;
use crate::text::escape;
use std::fmt;

/// What is wrong with a value by itself: it can't be read, or is out of its bounds.
pub type Error = Wrong<Reason>;

/// A setting that can't be met. Its text is `NAME GIVEN: WHY`, with the name as manifests have it; see [`Wrong::told`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong<W> {
    pub setting: Setting,
    /// As it is to be shown: escaped, and in quotes where it is text.
    pub given: Option<String>,
    pub reason: W,
}

/// How settings are called where somebody reads of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// `--max-file`
    Flags,
    /// `max_file`
    Keys,
}

impl Names {
    pub fn of(self, setting: Setting) -> String {
        match self {
            Self::Flags => format!("--{}", setting.flag()),
            Self::Keys => setting.key().into(),
        }
    }
}

impl<W> Wrong<W> {
    /// Of a value that shows as itself.
    pub fn given(setting: Setting, given: impl fmt::Display, reason: W) -> Self {
        Self { setting, given: Some(given.to_string()), reason }
    }

    /// Of a text, which may hold anything.
    pub fn text(setting: Setting, text: &str, reason: W) -> Self {
        Self { setting, given: Some(format!("\"{}\"", escape(text))), reason }
    }

    /// Of a setting as a whole.
    pub const fn whole(setting: Setting, reason: W) -> Self {
        Self { setting, given: None, reason }
    }
}

impl<W: fmt::Display> Wrong<W> {
    pub fn told(&self, names: Names) -> String {
        let given = self.given.as_ref().map_or_else(String::new, |given| format!(" {given}"));
        format!("{}{given}: {}", names.of(self.setting), self.reason)
    }
}

impl<W: fmt::Display> fmt::Display for Wrong<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.told(Names::Keys))
    }
}

impl<W: fmt::Debug + fmt::Display> std::error::Error for Wrong<W> {}
