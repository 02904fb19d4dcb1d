//! The daemon's jobs: one task owns them all, asks [`sandhog_supervisor::state`] what to do, and does it.
//!
//! ```text
//!  sessions ──Handle──▶ actor ──────Event──────▶ supervisor::state
//!                        │  ▲                      │ Action
//!           index, waits ┘  └── attempt_observer ◀─┴─▶ effects ──▶ runtime::run
//!                 fronts ┘  └────── fronts::told ◀── serve::dispatcher ◀──▶ workers that serve HTTP
//! ```
//!
//! Must not: decide anything about restarts, speak HTTP, print, wait for anything while others do. The one task waits for its
//! next message and the next time, and for nothing else: not for the disk ([`store`], [`logs`] and [`parked`] say how), not
//! for the spawner, not for a job. Only when it is over, and nobody is served any more, does it wait until all is written.

mod actor;
mod apply;
mod attempt_observer;
mod changes;
mod clock;
mod effects;
mod events;
mod fronts;
mod handle;
mod index;
mod listening;
mod logs;
mod mailbox;
mod message;
mod metrics;
mod objects;
mod parked;
mod ports;
mod refusal;
mod request;
mod requests;
mod reserve;
mod restore;
mod restored;
mod sample;
mod select;
mod settle;
mod shared_objects;
mod store;
mod telling;
mod verbs;
mod waits;

pub use actor::{End, Paths, start};
pub use fronts::Reserved;
pub use handle::{Handle, LogTail};
pub use refusal::{Refusal, RefusalKind};
pub use request::Verb;
