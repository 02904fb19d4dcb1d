//! The command line: parse, ask, render, exit code.
//!
//! Must not: know how a job is run. A verb asks the coordinator, or the daemon that has one, and shows what came of it.

#![cfg_attr(test, allow(clippy::wildcard_enum_match_arm))]

pub mod args;
mod ask;
mod background;
mod bring_up;
pub mod build;
pub mod check;
pub mod client;
pub mod completions;
mod concerns;
mod coredump_file;
pub mod daemon;
mod dispatch;
pub mod doctor;
mod down;
pub mod embedded;
mod ending;
mod follow;
mod here;
pub mod inspect;
mod interrupt;
pub mod ipc;
mod job_control;
mod listeners;
mod look;
mod man;
pub mod manifest_file;
pub mod map;
mod monit;
pub mod new;
mod pool;
mod pool_status;
mod pools;
pub mod profile;
pub mod render;
pub mod run;
mod schema;
mod serve;
mod silence;
#[cfg(test)]
mod snapshot;
mod start;
mod startup;
mod status_socket;
mod surroundings;
mod trace;
mod until_ready;
mod up;
mod usage_socket;
pub mod verdict_file;
mod watch;
pub mod whole_file;
mod words;

pub use dispatch::main;
