//! Settings that are one word of a few, and what the words mean.

mod known;
mod meaning;

pub use known::{
    ISOLATIONS, LEVELS, NoStrategy, OVERLAPS, Overlap, RESTARTS, Restart, STRATEGIES, Strategy, find, names, verdicts,
    walls, word,
};
pub use meaning::{meaning, verdict, wall};
