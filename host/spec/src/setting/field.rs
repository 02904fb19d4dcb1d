//! The type of each setting, and its field in [`JobSpec`].

use super::words;
use crate::units::{Size, Time, Written};
use sandhog_protocol::control::{JobSpec, RetrySpec};
use std::collections::BTreeMap;

/// A field of a job.
pub struct Field<T> {
    pub get: fn(&JobSpec) -> &T,
    pub set: fn(&mut JobSpec) -> &mut T,
}

/// What a setting takes, and where that goes.
pub enum Takes {
    /// The name of the job: in a manifest that of its table.
    Name(Field<String>),
    Module(Field<String>),
    Group(Field<String>),
    Text(Field<Option<String>>),
    /// What a guest calls itself: on a command line perhaps other than UTF-8.
    GuestName(Field<Option<String>>),
    /// One word of a few.
    Word(Field<Option<String>>, Words),
    Size(Field<Option<Written<Size>>>),
    Time(Field<Option<Written<Time>>>),
    /// This word, or a time.
    TimeOr(Field<Option<String>>, &'static str),
    Count(Field<Option<u64>>),
    Flag(Field<bool>),
    Texts(Field<Vec<String>>),
    /// Each one word of a few.
    Words(Field<Vec<String>>, Words),
    /// `HOST[::GUEST][:ro|rw]`
    Directories(Field<Vec<String>>),
    /// `NAME=FILE`
    Children(Field<Vec<String>>),
    /// `NAME: KIND(ARGUMENTS) RIGHT …`
    Objects(Field<Vec<String>>),
    /// A file, or `none`.
    Stdin(Field<Option<String>>),
    /// A module and its arguments.
    Command(Field<Vec<String>>),
    Environment(Field<BTreeMap<String, String>>),
    Retries(Field<Vec<RetrySpec>>),
}

/// All words that there are.
pub(super) type Words = fn() -> Vec<&'static str>;

impl Takes {
    /// Whether both jobs have the same, as it is written.
    pub fn is_same(&self, one: &JobSpec, other: &JobSpec) -> bool {
        fn same<T: PartialEq>(field: &Field<T>, one: &JobSpec, other: &JobSpec) -> bool {
            (field.get)(one) == (field.get)(other)
        }
        match self {
            Self::Name(field) | Self::Module(field) | Self::Group(field) => same(field, one, other),
            Self::Text(field)
            | Self::GuestName(field)
            | Self::Word(field, _)
            | Self::TimeOr(field, _)
            | Self::Stdin(field) => same(field, one, other),
            Self::Size(field) => same(field, one, other),
            Self::Time(field) => same(field, one, other),
            Self::Count(field) => same(field, one, other),
            Self::Flag(field) => same(field, one, other),
            Self::Texts(field)
            | Self::Words(field, _)
            | Self::Directories(field)
            | Self::Children(field)
            | Self::Objects(field)
            | Self::Command(field) => same(field, one, other),
            Self::Environment(field) => same(field, one, other),
            Self::Retries(field) => same(field, one, other),
        }
    }

    /// Whether the job has it, whatever it is.
    pub fn is_set(&self, spec: &JobSpec) -> bool {
        !self.is_same(spec, &JobSpec::default())
    }

    /// Takes what the other job has.
    pub fn copy(&self, from: &JobSpec, to: &mut JobSpec) {
        fn copy<T: Clone>(field: &Field<T>, from: &JobSpec, to: &mut JobSpec) {
            (field.set)(to).clone_from((field.get)(from));
        }
        match self {
            Self::Name(field) | Self::Module(field) | Self::Group(field) => copy(field, from, to),
            Self::Text(field)
            | Self::GuestName(field)
            | Self::Word(field, _)
            | Self::TimeOr(field, _)
            | Self::Stdin(field) => copy(field, from, to),
            Self::Size(field) => copy(field, from, to),
            Self::Time(field) => copy(field, from, to),
            Self::Count(field) => copy(field, from, to),
            Self::Flag(field) => copy(field, from, to),
            Self::Texts(field)
            | Self::Words(field, _)
            | Self::Directories(field)
            | Self::Children(field)
            | Self::Objects(field)
            | Self::Command(field) => copy(field, from, to),
            Self::Environment(field) => copy(field, from, to),
            Self::Retries(field) => copy(field, from, to),
        }
    }

    /// The words that it may be.
    pub fn words(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::Word(_, words) | Self::Words(_, words) => Some(words()),
            Self::Retries(_) => Some(words::verdicts()),
            Self::Name(_)
            | Self::Module(_)
            | Self::Group(_)
            | Self::Text(_)
            | Self::GuestName(_)
            | Self::Size(_)
            | Self::Time(_) => None,
            Self::TimeOr(..) | Self::Count(_) | Self::Flag(_) | Self::Texts(_) | Self::Directories(_) => None,
            Self::Children(_) | Self::Objects(_) | Self::Stdin(_) | Self::Command(_) | Self::Environment(_) => None,
        }
    }
}
