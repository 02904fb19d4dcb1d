//! The counts of all results, and the exit code that follows from them.
//!
//! Must not: know a task beyond its number and its verdict in words.

use super::ended::Result as TaskResult;
use sandhog_protocol::exit_code;
use sandhog_protocol::verdict::StopReason;

/// Failures that are told in words; the job log has all of them.
pub const TOLD: usize = 10;

/// How many tasks came to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub succeeded: u64,
    pub failed: u64,
    /// Ended by us before they were done.
    pub ended: u64,
    /// Done by an earlier run.
    pub passed: u64,
    /// Of the input; None while it is being read, or where it broke off.
    pub total: Option<u64>,
    /// The first that failed: number and verdict.
    pub first: Vec<(u64, String)>,
    /// The exit code of the first that failed.
    pub first_exit: Option<u8>,
}

impl Tally {
    pub fn count(&mut self, number: u64, result: TaskResult, exit: u8, words: &str) {
        match result {
            TaskResult::Succeeded => self.succeeded += 1,
            TaskResult::Ended => self.ended += 1,
            // It is as if it had not been read.
            TaskResult::TakenBack | TaskResult::Closed => {}
            TaskResult::Failed | TaskResult::Refused => {
                self.failed += 1;
                self.first_exit.get_or_insert(exit);
                if self.first.len() < TOLD {
                    self.first.push((number, words.into()));
                }
            }
        }
    }

    /// Those that have a result.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.succeeded + self.failed
    }

    /// Whether any task has run.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.done() + self.ended == 0
    }
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Go on.
    Never,
    /// Begin no more.
    Soon,
    /// End what runs.
    Now,
}

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Every task has a result.
    Done,
    /// A task failed, and that was to be the end.
    Halted,
    /// The command was told to stop.
    Stopped(StopReason),
    /// The reader of its output has gone.
    OutputClosed,
    /// The input, the output or the job log is broken.
    Broken,
    /// No worker can be started: by the operator's settings, or by a fault.
    Refused,
    Failed,
}

/// The exit code of `sandhog map`.
#[must_use]
pub fn exit_code(tally: &Tally, over: Over) -> u8 {
    match over {
        Over::Done => exit_code::of_map(tally.failed),
        Over::Halted => tally.first_exit.unwrap_or(exit_code::SANDHOG_FAILED),
        Over::Stopped(StopReason::Interrupt) => exit_code::INTERRUPTED,
        Over::Stopped(
            StopReason::Terminate
            | StopReason::OutputClosed
            | StopReason::Parent
            | StopReason::Operator
            | StopReason::Replaced
            | StopReason::Unknown(_),
        ) => exit_code::TERMINATED,
        Over::OutputClosed => exit_code::OUTPUT_CLOSED,
        Over::Broken => exit_code::MAP_BROKEN,
        Over::Refused => exit_code::REFUSED,
        Over::Failed => exit_code::SANDHOG_FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_gnu_parallels() {
        for (failed, code) in [(0, 0), (1, 1), (100, 100), (101, 101), (1_000_000, 101)] {
            assert_eq!(exit_code(&Tally { failed, ..Tally::default() }, Over::Done), code);
        }
        let tally = Tally { failed: 3, first_exit: Some(7), ..Tally::default() };
        let codes = [
            (Over::Halted, 7),
            (Over::Stopped(StopReason::Interrupt), 130),
            (Over::Stopped(StopReason::Terminate), 143),
            (Over::OutputClosed, 141),
            (Over::Broken, 255),
            (Over::Refused, 126),
            (Over::Failed, 125),
        ];
        for (over, code) in codes {
            assert_eq!(exit_code(&tally, over), code, "{over:?}");
        }
    }

    #[test]
    fn the_first_failures_are_told_and_no_more() {
        let mut tally = Tally::default();
        for number in 1..=1000 {
            let result = if number % 2 == 0 { TaskResult::Failed } else { TaskResult::Succeeded };
            tally.count(number, result, (number % 200) as u8, "no");
        }
        tally.count(1001, TaskResult::Ended, 143, "stopped");
        tally.count(1002, TaskResult::TakenBack, 143, "cancelled");
        assert_eq!((tally.succeeded, tally.failed, tally.ended, tally.done()), (500, 500, 1, 1000));
        assert_eq!((tally.first.len(), tally.first[0].0, tally.first_exit), (TOLD, 2, Some(2)));
    }
}
