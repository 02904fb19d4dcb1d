//! The definition of a job: sizes and times as people write them, the one list of rights, and a checked job.
//!
//! Must not: open a file, ask the system anything (what is needed comes in as an argument), know WASI or the
//! kernel, or leave a default to be chosen later.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::wildcard_enum_match_arm))]

pub mod connection;
pub mod error;
pub mod grants;
pub mod http;
pub mod job;
pub mod listen;
pub mod manifest;
pub mod nearest;
pub mod net;
pub mod objects;
pub mod reference;
pub mod schedule;
pub mod service;
pub mod setting;
pub mod text;
pub mod time;
pub mod units;
