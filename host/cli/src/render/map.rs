//! What `map` says of its tasks: a line while they run, and in the end those that failed.

use super::problem::Problem;
use sandhog_protocol::causes;
use sandhog_runtime::map::printer;
use sandhog_runtime::map::reading;
use sandhog_runtime::map::report::{Report, Trouble};
use sandhog_runtime::map::tally::{Over, Tally};
use sandhog_spec::units::print_duration;
use std::time::Duration;

/// How far it is: `3 of 10 tasks, 1 failed, 2.5/s, 3s left`.
#[expect(clippy::cast_precision_loss, reason = "a rate and a time, shown with two digits")]
pub fn line(tally: &Tally, elapsed: Duration) -> String {
    let done = tally.done() + tally.passed;
    let mut line = match tally.total {
        Some(total) => format!("{done} of {}", tasks(total)),
        None => tasks(done),
    };
    if tally.failed > 0 {
        line.push_str(&format!(", {} failed", tally.failed));
    }
    let seconds = elapsed.as_secs_f64();
    if tally.done() > 0 && seconds > 0.0 {
        let rate = tally.done() as f64 / seconds;
        line.push_str(&if rate < 10.0 { format!(", {rate:.1}/s") } else { format!(", {rate:.0}/s") });
        let left = tally.total.map(|total| total.saturating_sub(done)).filter(|left| *left > 0);
        if let Some(left) = left {
            // More than a few years is no time that anybody waits for.
            let seconds = (left as f64 / rate).ceil().min(1e8);
            line.push_str(&format!(", {} left", print_duration(Duration::from_secs_f64(seconds))));
        }
    }
    line
}

fn tasks(count: u64) -> String {
    if count == 1 { "1 task".into() } else { format!("{count} tasks") }
}

/// What is to be said in the end, one after the other; `has_log`: there is a job log.
pub fn report(report: &Report, has_log: bool) -> Vec<Problem> {
    let Report { tally, over, trouble } = report;
    let mut problems = Vec::new();
    problems.extend(trouble.as_ref().and_then(trouble_of));
    // Where no worker can be started, each task has failed of the same.
    let is_told = matches!(over, Over::Refused | Over::Failed);
    if tally.failed > 0 && !is_told {
        problems.push(failures(tally, has_log));
    }
    match over {
        Over::Stopped(_) => problems.push(stopped(tally, has_log)),
        Over::Halted if tally.ended > 0 => {
            problems.push(Problem::new(format!("halted: {}", done_and_ended(tally))));
        }
        Over::Done | Over::Halted | Over::OutputClosed | Over::Broken | Over::Refused | Over::Failed => {}
    }
    problems
}

fn trouble_of(trouble: &Trouble) -> Option<Problem> {
    match trouble {
        // Who does not read wants to hear nothing.
        Trouble::Output(printer::Error::Closed) => None,
        Trouble::Input(error @ reading::Error::NotJson { .. }) => Some(
            Problem::new(format!("input: {}", causes::one_line(error))).with_hint("the tasks before it have been done"),
        ),
        Trouble::Input(_) | Trouble::Output(_) | Trouble::Workers(_) => Some(Problem::of(trouble)),
    }
}

fn failures(tally: &Tally, has_log: bool) -> Problem {
    let problem = Problem::new(format!("{} of {} failed", tally.failed, tasks(tally.done())));
    let told = tally.first.iter().map(|(number, words)| format!("task {number}: {words}"));
    let problem = told.fold(problem, Problem::with_detail);
    let more = tally.failed.saturating_sub(tally.first.len() as u64);
    let problem = if more > 0 { problem.with_detail(format!("and {more} more")) } else { problem };
    problem.with_hint(if has_log {
        "the job log has all of them; --resume-failed does them again"
    } else {
        "--joblog FILE keeps the verdict of each; with it --resume-failed does them again"
    })
}

fn stopped(tally: &Tally, has_log: bool) -> Problem {
    let problem = Problem::new(format!("stopped: {}", done_and_ended(tally)));
    problem.with_hint(if has_log { "resume with --resume" } else { "with --joblog FILE it can be resumed: --resume" })
}

/// `12 of 40 tasks done, 2 ended`.
fn done_and_ended(tally: &Tally) -> String {
    let done = tally.done() + tally.passed;
    let mut text = match tally.total {
        Some(total) => format!("{done} of {} done", tasks(total)),
        None => format!("{} done", tasks(done)),
    };
    if tally.ended > 0 {
        text.push_str(&format!(", {} ended", tally.ended));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::verdict::StopReason;

    fn tally() -> Tally {
        Tally {
            succeeded: 10,
            failed: 2,
            ended: 2,
            total: Some(40),
            first: vec![(3, "deadline: more than 1s".into())],
            ..Tally::default()
        }
    }

    fn said(over: Over, tally: Tally, has_log: bool) -> String {
        report(&Report { tally, over, trouble: None }, has_log).iter().map(|problem| problem.to_text(false)).collect()
    }

    #[test]
    fn the_line_tells_how_far_it_is_how_fast_and_how_long_it_takes() {
        let seconds = Duration::from_secs;
        assert_eq!(line(&tally(), seconds(6)), "12 of 40 tasks, 2 failed, 2.0/s, 14s left");
        assert_eq!(line(&Tally { succeeded: 5000, ..Tally::default() }, seconds(10)), "5000 tasks, 500/s");
        assert_eq!(line(&Tally::default(), Duration::ZERO), "0 tasks");
        let resumed = Tally { succeeded: 1, passed: 8, total: Some(10), ..Tally::default() };
        assert_eq!(line(&resumed, seconds(2)), "9 of 10 tasks, 0.5/s, 2s left");
        let slow = Tally { succeeded: 1, total: Some(u64::MAX), ..Tally::default() };
        assert!(line(&slow, seconds(100_000)).ends_with(" left"));
    }

    #[test]
    fn failures_are_told_by_number_with_their_verdict() {
        assert_eq!(
            said(Over::Done, tally(), false),
            "sandhog: 2 of 12 tasks failed\n    task 3: deadline: more than 1s\n    and 1 more\n  \
             hint: --joblog FILE keeps the verdict of each; with it --resume-failed does them again\n"
        );
        assert_eq!(said(Over::Done, Tally { succeeded: 3, ..Tally::default() }, false), "");
    }

    #[test]
    fn a_stop_says_what_was_done() {
        let tally = Tally { failed: 0, succeeded: 12, first: Vec::new(), ..tally() };
        assert_eq!(
            said(Over::Stopped(StopReason::Interrupt), tally.clone(), true),
            "sandhog: stopped: 12 of 40 tasks done, 2 ended\n  hint: resume with --resume\n"
        );
        let unread = Tally { total: None, ended: 0, ..tally };
        assert!(
            said(Over::Stopped(StopReason::Terminate), unread, false).starts_with("sandhog: stopped: 12 tasks done\n")
        );
    }

    #[test]
    fn a_reader_that_has_gone_is_told_nothing() {
        let closed = Trouble::Output(printer::Error::Closed);
        let report =
            super::report(&Report { tally: Tally::default(), over: Over::OutputClosed, trouble: Some(closed) }, false);
        assert!(report.is_empty());
    }
}
