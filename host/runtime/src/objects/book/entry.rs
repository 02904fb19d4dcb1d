//! An object of a group, and who uses it.

use sandhog_protocol::objects::{Kind, Right, Rights};
use sandhog_protocol::request::Refused;
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) struct Entry {
    pub(crate) name: Option<String>,
    /// The attempt that made it, of one without a name.
    pub(super) maker: Option<String>,
    pub(crate) kind: Kind,
    /// Of its memory.
    pub(crate) bytes: u64,
    /// A keeper has its memory ready. A pipe has none.
    pub(crate) is_made: bool,
    /// By attempts.
    pub(super) uses: BTreeMap<String, Use>,
    /// Of a pipe: the attempts that have its ends.
    ends: [Option<String>; 2],
    /// When it was made.
    pub(crate) since: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Use {
    pub(super) rights: Rights,
    /// It has it.
    pub(super) is_attached: bool,
    /// Its parent gave it the right to it, which lasts as long as it does.
    pub(super) is_handed: bool,
}

/// Of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    First = 0,
    Second = 1,
}

impl Entry {
    pub(super) fn new(name: Option<String>, kind: Kind, bytes: u64, since: Duration) -> Self {
        let is_made = kind == Kind::Pipe;
        let (maker, uses, ends) = (None, BTreeMap::new(), [None, None]);
        Self { name, maker, kind, bytes, is_made, uses, ends, since }
    }

    pub(crate) fn has_memory(&self) -> bool {
        self.kind != Kind::Pipe
    }

    /// Attempts that use it.
    pub(crate) fn users(&self) -> usize {
        self.uses.len()
    }

    /// Of a pipe: an end is in the hands of one attempt at a time.
    pub(super) fn take_end(&mut self, attempt: &str, rights: &Rights) -> Result<(), Refused> {
        if self.has_memory() {
            return Ok(());
        }
        let end = &mut self.ends[end_of(rights) as usize];
        match end {
            Some(holder) if holder != attempt => {
                Err(Refused::Quota(format!("this end of the pipe is in the hands of the attempt {holder}")))
            }
            Some(_) => Ok(()),
            None => {
                *end = Some(attempt.into());
                Ok(())
            }
        }
    }

    pub(super) fn leave_ends(&mut self, attempt: &str) {
        for end in &mut self.ends {
            if end.as_deref() == Some(attempt) {
                *end = None;
            }
        }
    }

    /// Which end of it an attempt has, if it is a pipe.
    pub(crate) fn end(&self, attempt: &str) -> Option<End> {
        let of = |end: End| (self.ends[end as usize].as_deref() == Some(attempt)).then_some(end);
        of(End::First).or_else(|| of(End::Second))
    }
}

/// Which end of a pipe these rights are for.
fn end_of(rights: &Rights) -> End {
    if rights.contains(&Right::Second) { End::Second } else { End::First }
}
