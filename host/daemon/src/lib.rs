//! The jobs that a daemon keeps up, and those who ask it for something.
//!
//! ```text
//! control (HTTP and JSON) ──▶ fleet (one task, store, logs, events) ──▶ runtime (an attempt)
//! ```
//!
//! Must not: know how an attempt goes; that is asked of `runtime`.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::wildcard_enum_match_arm))]

pub mod control;
pub mod directories;
pub mod fleet;
