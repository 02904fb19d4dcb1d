//! An object of a group, and who uses it.

use sandhog_protocol::objects::{Kind, Right, Rights};
use sandhog_protocol::request::Refused;
use std::collections::{BTreeMap, BTreeSet};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    First = 0,
    Second = 1,
}

impl End {
    pub(super) const BOTH: [Self; 2] = [Self::First, Self::Second];

    /// The end that this right is for; `None`: it is for none.
    pub(super) fn of(right: Right) -> Option<Self> {
        match right {
            Right::First => Some(Self::First),
            Right::Second => Some(Self::Second),
            Right::Use | Right::Acquire | Right::Release | Right::Set | Right::Wait => None,
            Right::Read | Right::Write | Right::Put | Right::Get => None,
        }
    }

    const fn right(self) -> Right {
        match self {
            Self::First => Right::First,
            Self::Second => Right::Second,
        }
    }
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

    /// Of a pipe without a name: both ends are its maker's.
    pub(super) fn take_both_ends(&mut self, attempt: &str) {
        self.ends = [Some(attempt.into()), Some(attempt.into())];
    }

    /// An attempt leaves its ends: those that are closed by that. One of a pipe with a name is for the next one.
    pub(super) fn leave_ends(&mut self, attempt: &str) -> BTreeSet<End> {
        let mut ends = self.ends_of(attempt);
        if self.name.is_some() {
            ends.iter().for_each(|end| self.ends[*end as usize] = None);
            ends.clear();
        }
        ends.retain(|end| self.pass_end(*end, attempt, None));
        ends
    }

    /// Of a pipe without a name: an end goes from one attempt to another, or to nobody. An attempt uses the pipe for as long as it
    /// has an end, and has the right to those that it has. False: it does not have that end.
    pub(super) fn pass_end(&mut self, end: End, from: &str, to: Option<&str>) -> bool {
        if self.name.is_some() || !self.ends_of(from).contains(&end) {
            return false;
        }
        self.ends[end as usize] = to.map(str::to_owned);
        if let Some(of) = self.uses.get_mut(from) {
            of.rights.remove(&end.right());
            if of.rights.is_empty() {
                self.uses.remove(from);
            }
        }
        if let Some(to) = to {
            self.uses.entry(to.into()).or_default().rights.insert(end.right());
        }
        true
    }

    /// Which ends of it an attempt has, if it is a pipe.
    pub(crate) fn ends_of(&self, attempt: &str) -> BTreeSet<End> {
        End::BOTH.into_iter().filter(|end| self.ends[*end as usize].as_deref() == Some(attempt)).collect()
    }
}

/// Which end of a pipe these rights are for.
fn end_of(rights: &Rights) -> End {
    if rights.contains(&Right::Second) { End::Second } else { End::First }
}
