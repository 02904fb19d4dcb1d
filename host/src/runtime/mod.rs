//! Attempts, from a job to its verdict, and all that the process needs for them: modules and their cache, what jobs are granted,
//! privilege and how it is given up.
//!
//! Must not: keep privilege ([`privilege`] drops it before the first thread), trust what a worker says, print, know the daemon's
//! jobs, HTTP or a database.

pub(crate) mod build;
pub(crate) mod cache;
mod caches;
mod channel;
pub(crate) mod dispatch;
pub(crate) mod driver;
pub(crate) mod error;
mod family;
mod feed;
pub(crate) mod granted;
pub(crate) mod halts;
pub(crate) mod module;
pub(crate) mod modules;
mod mounts;
pub(crate) mod note;
pub(crate) mod observer;
mod order;
mod outbox;
pub(crate) mod output;
pub(crate) mod own_directories;
pub(crate) mod own_limits;
pub(crate) mod plan;
pub(crate) mod privilege;
mod processors;
mod quota;
pub(crate) mod record;
pub(crate) mod registry;
mod reopen;
mod rights;
mod room;
pub(crate) mod run;
mod screen;
pub(crate) mod shed;
pub(crate) mod stop;
mod streams;
pub(crate) mod terms;
pub(crate) mod view;
