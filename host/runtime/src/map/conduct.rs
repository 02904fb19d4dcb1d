//! The effects of a task's end, a stop or a failure on all other tasks.
//!
//! Must not: do it.

use super::ended::Result as TaskResult;
use super::tally::{Halt, Over, Tally};
use sandhog_protocol::verdict::StopReason;

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    GoOn,
    /// What runs may end by itself.
    BeginNoMore,
    /// What runs is to end.
    EndAll,
    /// The same, for this reason: whoever gave it has asked what runs to stop.
    Stop(StopReason),
}

/// How it stands.
#[derive(Debug)]
pub struct Conduct {
    pub tally: Tally,
    halt: Halt,
    over: Option<Over>,
    /// The input is not whole.
    is_broken: bool,
}

impl Conduct {
    #[must_use]
    pub fn new(halt: Halt) -> Self {
        Self { tally: Tally::default(), halt, over: None, is_broken: false }
    }

    /// Whether no task begins any more.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.over.is_some()
    }

    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.over, Some(Over::Stopped(_)))
    }

    /// Whether a task that came to this is tried again, if it may be.
    #[must_use]
    pub fn tries_again(&self, result: TaskResult) -> bool {
        match result {
            TaskResult::Failed => !self.is_ending(),
            TaskResult::Refused => !self.is_ending() && !self.tally.is_fresh(),
            TaskResult::Succeeded | TaskResult::Ended | TaskResult::TakenBack | TaskResult::Closed => false,
        }
    }

    /// A task has come to this for good.
    pub fn ended(&mut self, number: u64, result: TaskResult, exit: u8, words: &str) -> Next {
        let is_first = self.tally.is_fresh();
        self.tally.count(number, result, exit, words);
        if self.is_ending() {
            return Next::GoOn;
        }
        match (result, self.halt) {
            (TaskResult::Succeeded | TaskResult::Ended | TaskResult::TakenBack, _) => Next::GoOn,
            (TaskResult::Closed, _) => self.fail(Over::Failed),
            // The first worker was refused: so would all the others be.
            (TaskResult::Refused, _) if is_first => self.fail(Over::Refused),
            (TaskResult::Failed | TaskResult::Refused, Halt::Never) => Next::GoOn,
            (TaskResult::Failed | TaskResult::Refused, Halt::Soon) => {
                self.over = Some(Over::Halted);
                Next::BeginNoMore
            }
            (TaskResult::Failed | TaskResult::Refused, Halt::Now) => self.fail(Over::Halted),
        }
    }

    /// The command is to stop. That is the reason then, whatever it was before.
    pub fn stop(&mut self, reason: StopReason) {
        self.over = Some(Over::Stopped(reason));
    }

    /// It can't go on.
    pub fn fail(&mut self, over: Over) -> Next {
        self.over.get_or_insert(over);
        Next::EndAll
    }

    /// The input ends before its end; what was accepted is done.
    pub fn broke_off(&mut self) {
        self.is_broken = true;
    }

    #[must_use]
    pub fn into_end(self) -> (Tally, Over) {
        let whole = if self.is_broken { Over::Broken } else { Over::Done };
        (self.tally, self.over.unwrap_or(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(halt: Halt, results: &[TaskResult]) -> (Vec<Next>, Over) {
        let mut conduct = Conduct::new(halt);
        let next = results.iter().map(|result| conduct.ended(1, *result, 3, "no")).collect();
        (next, conduct.into_end().1)
    }

    #[test]
    fn a_failure_halts_what_it_is_to_halt() {
        use TaskResult::{Failed, Succeeded};
        let all = [Succeeded, Failed, Failed, Succeeded];
        let go = Next::GoOn;
        assert_eq!(after(Halt::Never, &all), (vec![go; 4], Over::Done));
        assert_eq!(after(Halt::Soon, &all), (vec![go, Next::BeginNoMore, go, go], Over::Halted));
        assert_eq!(after(Halt::Now, &all), (vec![go, Next::EndAll, go, go], Over::Halted));
    }

    #[test]
    fn a_first_worker_that_is_refused_ends_it_and_a_later_one_fails_its_task() {
        use TaskResult::{Refused, Succeeded};
        assert_eq!(after(Halt::Never, &[Refused]), (vec![Next::EndAll], Over::Refused));
        assert_eq!(after(Halt::Never, &[Succeeded, Refused]), (vec![Next::GoOn; 2], Over::Done));
        assert_eq!(after(Halt::Never, &[TaskResult::Closed]), (vec![Next::EndAll], Over::Failed));
    }

    #[test]
    fn whatever_it_was_before_a_stop_is_a_stop() {
        let mut conduct = Conduct::new(Halt::Now);
        let _ = conduct.ended(1, TaskResult::Failed, 3, "no");
        assert!(!conduct.tries_again(TaskResult::Failed));
        conduct.stop(StopReason::Interrupt);
        conduct.broke_off();
        assert_eq!(conduct.into_end().1, Over::Stopped(StopReason::Interrupt));
    }

    #[test]
    fn an_input_that_broke_off_is_told_in_the_end() {
        let mut conduct = Conduct::new(Halt::Never);
        conduct.broke_off();
        assert!(!conduct.is_ending());
        assert_eq!(conduct.into_end().1, Over::Broken);
    }
}
