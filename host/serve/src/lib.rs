//! Sockets that outlive workers: whoever owns them accepts connections and hands each to a sealed worker, which speaks HTTP.
//!
//! ```text
//!  listener ──connections──▶ dispatcher ──Connection──▶ link ─── worker
//!                             │    ▲                      │
//!                             │    └──Reads, Declined, …──┘
//!                             ▼
//!                     numbers, access lines            crew: keeps workers up
//! ```
//!
//! [`listener`] has the sockets, [`dispatcher`] the connections that no worker reads yet; what becomes of each the supervisor's
//! balance decides. [`numbers`] counts, [`access`] and [`prometheus`] put it into words. [`crew`] keeps the workers of one job up
//! where no daemon does, [`fresh`] keeps a process ready for each connection. [`status`] says how either stands. [`health`] asks a worker whether it is well.
//!
//! Must not: read what clients send, or trust what a worker says.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::cast_sign_loss))]

pub mod access;
pub mod crew;
pub mod dispatcher;
pub mod fresh;
pub mod health;
mod link;
pub mod listener;
pub mod numbers;
pub mod prometheus;
pub mod status;
