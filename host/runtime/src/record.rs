//! The record of an attempt that has ended, for `--verdict`, and later for `show` and `events`.

use sandhog_protocol::plan::Wall;
use sandhog_protocol::spawn::WeakWall;
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_protocol::worker::Coredump;
use std::path::PathBuf;

/// An attempt that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRecord {
    pub verdict: Verdict,
    /// The attempt's id, never used again.
    pub attempt: String,
    pub job: String,
    /// `blake3:` and the hash of the module's bytes; `None` where they were never read.
    pub module: Option<String>,
    /// Walls that stood around the worker.
    pub walls: Vec<Wall>,
    /// Those of them that are lower than designed, each with a reason.
    pub weak_walls: Vec<WeakWall>,
    /// Required walls that the operator let go.
    pub missing_walls: Vec<Wall>,
    pub usage: Usage,
    /// What the worker says of the core dump that was asked for.
    pub dumped: Option<Coredump>,
    /// What became of it: where it is, or why there is none. None: nobody asked.
    pub coredump: Option<Result<PathBuf, String>>,
}

impl VerdictRecord {
    /// A record that knows no more than how it ended.
    pub fn new(verdict: Verdict, attempt: String, job: String) -> Self {
        let (walls, weak_walls, missing_walls) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            verdict,
            attempt,
            job,
            module: None,
            walls,
            weak_walls,
            missing_walls,
            usage: Usage::default(),
            dumped: None,
            coredump: None,
        }
    }
}
