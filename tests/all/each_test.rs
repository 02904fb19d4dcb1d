//! Facts about the rules for every test: its time limit, and its turn.
//!
//! Must not: hold a rule. The harness does.

mod planted;
mod queue;
mod watchdog;
