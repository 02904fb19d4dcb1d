//! The one table of exit codes. A guest may use the same numbers: the verdict tells which it was.

use crate::verdict::{StopReason, Verdict};

/// The guest, or the command itself, has done what it was asked.
pub const SUCCESS: u8 = 0;
/// A limit on time ran out; as timeout(1) says it.
pub const OUT_OF_TIME: u8 = 124;
/// Sandhog itself failed; as env(1) and timeout(1) say it.
pub const SANDHOG_FAILED: u8 = 125;
/// It never started: a flag, a grant, a module or a wall stood against it; as a shell says "cannot execute".
pub const REFUSED: u8 = 126;
/// There is no such file; as a shell says "not found". No verdict maps to it: there was no attempt.
pub const MODULE_NOT_FOUND: u8 = 127;
/// 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;
/// 128 + SIGABRT.
pub const TRAPPED: u8 = 134;
/// 128 + SIGKILL.
pub const KILLED: u8 = 137;
/// 128 + SIGPIPE.
pub const OUTPUT_CLOSED: u8 = 141;
/// 128 + SIGTERM.
pub const TERMINATED: u8 = 143;
/// 128 + SIGXFSZ.
pub const TOO_MUCH_OUTPUT: u8 = 153;
/// 128 + SIGSYS.
pub const DENIED: u8 = 159;
/// More than `MAP_FAILED_MAX` tasks of `map` have failed; as GNU parallel says it.
pub const MAP_MANY_FAILED: u8 = 101;
/// `map` could not read its input to the end, or not write; as GNU parallel says "other error".
pub const MAP_BROKEN: u8 = 255;

/// Most failed tasks that the exit code of `map` counts.
const MAP_FAILED_MAX: u8 = 100;

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub code: u8,
    /// Verdicts that end with it; none where there was no attempt.
    pub verdicts: &'static [&'static str],
    pub meaning: &'static str,
}

/// What Sandhog's own exit codes mean. Every other code is the guest's.
pub const fn table() -> &'static [Row] {
    const fn row(code: u8, verdicts: &'static [&'static str], meaning: &'static str) -> Row {
        Row { code, verdicts, meaning }
    }
    const {
        &[
            row(SUCCESS, &["completed"], "the guest ended with code 0"),
            row(OUT_OF_TIME, &["deadline", "cpu"], "it ran longer than --timeout, or used more than --cpu or --fuel"),
            row(SANDHOG_FAILED, &["lost", "unhealthy"], "Sandhog itself failed, lost the worker, or a check failed"),
            row(REFUSED, &["refused"], "it never started: bad flag, module or grant, or a wall that can't be built"),
            row(MODULE_NOT_FOUND, &[], "there is no such module"),
            row(INTERRUPTED, &["stopped"], "stopped by Ctrl-C"),
            row(TRAPPED, &["trapped"], "the engine ended the guest: it did what WebAssembly forbids"),
            row(KILLED, &["memory", "killed"], "it needed more memory than it has, or a signal ended it"),
            row(OUTPUT_CLOSED, &["stopped"], "the reader of its output went away"),
            row(TERMINATED, &["stopped"], "stopped by SIGTERM or SIGHUP"),
            row(TOO_MUCH_OUTPUT, &["output"], "it wrote more than --max-output"),
            row(DENIED, &["denied"], "it made a system call that no guest needs"),
        ]
    }
}

/// The exit code of the command for the verdict of its attempt.
///
/// A guest's code is its own up to 255, the most that a process can end with (wait(2)). A larger one becomes 255:
/// its low eight bits could be 0, and a failure must not read as success.
pub fn of(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Completed { .. } => SUCCESS,
        Verdict::Failed { code } => u8::try_from(*code).unwrap_or(u8::MAX),
        Verdict::Trapped { .. } => TRAPPED,
        Verdict::Deadline { .. } | Verdict::Cpu { .. } => OUT_OF_TIME,
        Verdict::Memory { .. } | Verdict::Killed { .. } => KILLED,
        Verdict::Output { .. } => TOO_MUCH_OUTPUT,
        Verdict::Denied { .. } => DENIED,
        Verdict::Stopped { reason: StopReason::Interrupt, .. } => INTERRUPTED,
        Verdict::Stopped {
            reason:
                StopReason::Terminate
                | StopReason::Parent
                | StopReason::Operator
                | StopReason::Replaced
                | StopReason::Unknown(_),
            ..
        } => TERMINATED,
        Verdict::Stopped { reason: StopReason::OutputClosed, .. } => OUTPUT_CLOSED,
        Verdict::Unhealthy { .. } | Verdict::Lost { .. } | Verdict::Unknown => SANDHOG_FAILED,
        Verdict::Refused { .. } => REFUSED,
    }
}

/// A line of the table of `map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRow {
    /// A code, or a range of them.
    pub codes: &'static str,
    pub meaning: &'static str,
}

/// What the exit codes of `map` mean.
pub const fn map_table() -> &'static [MapRow] {
    const fn row(codes: &'static str, meaning: &'static str) -> MapRow {
        MapRow { codes, meaning }
    }
    const {
        &[
            row("0", "every task succeeded"),
            row("1-100", "so many tasks failed"),
            row("101", "more than 100 tasks failed"),
            row("125", "Sandhog itself failed: there are no workers any more"),
            row("126", "no task ran: bad flag, module or grant, or a wall that can't be built"),
            row("127", "there is no such module"),
            row("130", "stopped by Ctrl-C"),
            row("141", "the reader of its output went away"),
            row("143", "stopped by SIGTERM or SIGHUP"),
            row("255", "the input broke off, or the output or the job log could not be written"),
        ]
    }
}

/// The exit code of `map` where every task has a result.
pub fn of_map(failed: u64) -> u8 {
    u8::try_from(failed).ok().filter(|failed| *failed <= MAP_FAILED_MAX).unwrap_or(MAP_MANY_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::one_of_each;

    fn name(verdict: &Verdict) -> String {
        serde_json::to_value(verdict).unwrap()["verdict"].as_str().unwrap().to_owned()
    }

    #[test]
    fn every_verdict_that_sandhog_gives_is_in_the_table_with_its_code() {
        for verdict in one_of_each().iter().filter(|verdict| !matches!(verdict, Verdict::Failed { .. })) {
            let row = table().iter().find(|row| row.code == of(verdict)).unwrap();
            assert!(row.verdicts.contains(&name(verdict).as_str()), "{verdict:?} is not in {row:?}");
        }
    }

    #[test]
    fn every_line_of_the_table_is_the_code_of_the_verdicts_that_it_names() {
        for row in table() {
            for named in row.verdicts {
                let all = one_of_each();
                assert!(all.iter().any(|verdict| name(verdict) == *named && of(verdict) == row.code), "{row:?}");
            }
        }
    }

    #[test]
    fn the_table_is_in_order_and_names_no_code_twice() {
        assert!(table().is_sorted_by(|one, next| one.code < next.code));
    }

    #[test]
    fn a_guests_own_code_is_unchanged() {
        for code in 1..=255_u32 {
            assert_eq!(u32::from(of(&Verdict::Failed { code })), code);
        }
    }

    #[test]
    fn a_guests_failure_never_reads_as_success() {
        for code in [256, 512, 65_536, u32::MAX] {
            assert_eq!(of(&Verdict::Failed { code }), 255);
        }
    }
}
