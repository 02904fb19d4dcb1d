//! The results of all tasks.
//!
//! Must not: say it in words (`cli` does).

use super::printer;
use super::reading;
use super::tally::{Over, Tally};

/// What came of it.
#[derive(Debug)]
pub struct Report {
    pub tally: Tally,
    pub over: Over,
    /// What broke it.
    pub trouble: Option<Trouble>,
}

#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Input(#[from] reading::Error),
    #[error(transparent)]
    Output(#[from] printer::Error),
    #[error("{0}")]
    Workers(String),
}
