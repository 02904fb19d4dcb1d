//! Attempts, from a job to its verdict, and all that the process needs for them: modules and their cache, what jobs are granted,
//! privilege and how it is given up.
//!
//! Must not: keep privilege ([`privilege`] drops it before the first thread), trust what a worker says, print, know the daemon's
//! jobs, HTTP or a database.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::wildcard_enum_match_arm))]

pub mod assigned;
pub mod attempt_id;
pub mod build;
pub mod cache;
mod caches;
mod capacity;
mod channel;
mod children;
pub mod coordinator;
pub mod driver;
pub mod error;
mod feed;
pub mod granted;
pub mod map;
pub mod module;
pub mod modules;
mod mounts;
pub mod note;
pub mod objects;
pub mod observer;
mod order;
mod outbox;
pub mod output;
pub mod own_directories;
pub mod own_limits;
pub mod plan;
pub mod pool;
pub mod privilege;
mod processors;
mod quota;
pub mod record;
mod reopen;
mod rights;
mod room;
pub mod run;
mod screen;
pub mod shed;
pub mod spawner;
pub mod stamps;
pub mod stop;
mod streams;
pub mod suspension;
pub mod terms;
pub mod view;
pub mod worker_process;
pub mod zygote;
