//! The one list of a job's settings: how each is called, what it takes, its usual value, its bounds, what is said of it,
//! and whether a change needs another attempt. The manifest, its schema and reference, the flags of `run` and `start`, what
//! `check` prints and what `apply` compares come from it.
//!
//! Must not: know a job; what a value means is for [`super::job`] and [`super::service`] to say.

mod bounds;
mod derived;
mod field;
mod flag;
mod list;
mod top;
mod usual;
mod value;
pub mod words;
mod wrong;

pub use bounds::{Bounds, Reason};
pub use field::{Field, Takes};
pub use flag::{Command, Flag};
pub use list::{
    CONCURRENCY_MAX, CONNECTIONS_MAX, Change, FILES_MAX, Facts, HEADERS_MAX, MEMORY_MAX, MEMORY_MIN, NAME_LONGEST,
    Setting, TABLES, With,
};
pub use top::Top;
pub use usual::Usual;
pub use value::{count, plain_size, plain_time, size, time};
pub use wrong::{Error, Names, Wrong};
