//! One attempt, from the request to its verdict.
//!
//! ```text
//!  Waiting ──module and zygote──▶ Cloning ──started──▶ Sealing ──hello──▶ Running ──report──▶ Reported
//!     │ refused                      │ refused            │ unsealed         │ limit, stop: kill   │
//!     └──────────────────────────────┴────────────────────┴───────────┬──────┴────────────────────┘
//!                                                                      ▼ worker reaped, channel and output at their ends
//!                                                                    Ended: exactly one verdict
//! ```
//!
//! [`attempt`] decides (no clock, no process, no I/O), [`driver`] performs, [`outcome`] turns what is known at the end
//! into the verdict, [`output`] moves the streams, [`channel`] hears the worker.
//!
//! Above single attempts is [`state`]: which instances of which jobs are to be up. It decides as well, with [`restart`].

pub(crate) mod attempt;
mod channel;
pub(crate) mod driver;
pub(crate) mod feed;
pub(crate) mod halts;
mod order;
mod outbox;
pub(crate) mod outcome;
pub(crate) mod output;
mod pause;
mod restart;
pub(crate) mod state;
pub(crate) mod verdict_text;
