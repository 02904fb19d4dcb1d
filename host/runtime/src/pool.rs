//! Workers that are ready for the tasks of one module. [`task`] is what goes in and comes out.
//!
//! Must not: decide which worker gets which task, or how many there are (`sandhog_supervisor::pool` does), or know where tasks
//! come from.

pub mod captured;
pub mod task;
