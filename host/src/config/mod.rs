//! What a job is: sizes and times as people write them, the one list of rights, and a job that has been checked.
//!
//! Must not: open a file, ask the system anything (what is needed comes in as an argument), know WASI or the
//! kernel, or leave a default to be chosen later.

pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod grants;
pub(crate) mod job;
pub(crate) mod manifest;
pub(crate) mod nearest;
pub(crate) mod reference;
pub(crate) mod schedule;
pub(crate) mod service;
pub(crate) mod setting;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod units;
