//! `sandhog map`: a task for each piece of the input, each in a worker, results in order.
//!
//! ```text
//!  input ─▶ reading ─▶ split, values ─▶ recipe ─▶ drive ─▶ workers
//!           a thread    pieces          tasks       │
//!  output ◀─ printer ◀─ order ◀─ ended ◀────────────┘   conduct and tally say how it stands
//! ```
//!
//! Every queue has a bound: batches of the input, tasks under way and their bytes, results behind a slow task,
//! descriptors of large outputs, lists for the printer. So a million tasks take no more memory than a thousand.
//!
//! Must not: know how a worker has a task done, parse a command line, or draw.

pub mod answers;
pub mod conduct;
pub mod drive;
pub mod ended;
pub mod joblog;
mod last;
pub mod log_file;
pub mod numbers;
pub mod order;
pub mod placeholders;
pub mod printer;
#[cfg(test)]
mod random;
pub mod reading;
pub mod recipe;
pub mod report;
pub mod slots;
pub mod split;
pub mod tally;
pub mod values;
pub mod workers;
