//! What a worker and its coordinator say to each other while the guest runs, and what the guest has by it: a connection to
//! its parent, and children with their connections and streams.
//!
//! A wait is one poll(2) in the guest's own thread, with the coordinator's socket among what is waited for: no wait
//! outlives the coordinator. What the coordinator says stays in the socket until somebody wants to know.
//!
//! What this must not do: know the engine, check what a guest passes (`hostcalls` does), or decide what a guest may (the
//! coordinator does).

mod accept;
mod awaited;
mod child;
mod children;
mod connection;
mod control;
mod conversation;
mod ended;
mod error;
mod handle;
#[cfg(feature = "hostile")]
mod handle_lies;
mod input;
mod news;
mod objects;
mod pipe_end;
mod shared;
mod sharing;
mod source;
mod streams;
mod wait;

#[cfg(test)]
mod tests;

pub(crate) use connection::{Connection, Counts};
pub(crate) use control::Control;
pub(crate) use conversation::Session;
pub(crate) use ended::Ended;
pub(crate) use error::Error;
pub(crate) use handle::{Handle, Socket};
pub(crate) use input::Input;
pub(crate) use news::News;
pub(crate) use objects::Attachment;
pub(crate) use shared::{Shared, Waits};
pub(crate) use source::{Source, Until};
pub(crate) use streams::write;
