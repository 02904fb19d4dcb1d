//! The process that owns all state. For `run` it lives inside the command, for as long as the command lasts.
//!
//! Must not: keep privilege ([`privilege`] drops it before the first thread), trust what a worker says, print.

pub(crate) mod build;
pub(crate) mod cache;
mod caches;
pub(crate) mod control;
pub(crate) mod dispatch;
mod family;
pub(crate) mod fleet;
pub(crate) mod granted;
pub(crate) mod ground;
pub(crate) mod modules;
mod mounts;
mod observer;
pub(crate) mod own_directories;
pub(crate) mod own_limits;
pub(crate) mod places;
pub(crate) mod plan;
pub(crate) mod privilege;
mod quota;
pub(crate) mod record;
pub(crate) mod registry;
mod reopen;
mod rights;
mod room;
pub(crate) mod run;
mod screen;
pub(crate) mod shed;
mod stop;
mod streams;
pub(crate) mod terms;
pub(crate) mod view;
