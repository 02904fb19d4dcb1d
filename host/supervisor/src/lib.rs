//! Decisions: what is to be done for one attempt, and which instances of which jobs are to be up.
//!
//! ```text
//!  Waiting ──module and zygote──▶ Cloning ──started──▶ Sealing ──hello──▶ Running ──report──▶ Reported
//!     │ refused                      │ refused            │ unsealed         │ limit, stop: kill   │
//!     └──────────────────────────────┴────────────────────┴───────────┬──────┴────────────────────┘
//!                                                                      ▼ worker reaped, channel and output at their ends
//!                                                                    Ended: exactly one verdict
//! ```
//!
//! [`attempt`] decides for one attempt, [`outcome`] turns what is known at the end into the verdict, [`pause`] knows by how
//! much a deadline moves. Above single attempts is [`state`], with [`restart`], and, for workers that are ready before there is a
//! task, [`pool`]; [`tries`] is [`restart`] for processes outside of the fleet. [`balance`] says which worker of a job that
//! serves gets which connection. [`verdict_text`] says a verdict in words.
//!
//! Must not: do anything. There is no clock here (times come in as arguments, as durations since a beginning), no descriptor,
//! no process, no runtime; who performs is above.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::wildcard_enum_match_arm))]

pub mod attempt;
pub mod balance;
pub mod outcome;
pub mod pause;
pub mod pool;
mod restart;
pub mod scale;
pub mod signal;
pub mod state;
pub mod tries;
pub mod verdict_text;
