//! When jobs with a schedule are due. Pure: the time of day comes in.

use jiff::Timestamp;
use sandhog_spec::schedule::Schedule;
use std::collections::{BTreeSet, HashMap};

#[derive(Default)]
pub(super) struct Clock {
    schedules: HashMap<String, (Schedule, Timestamp)>,
    /// The next time of each.
    next: BTreeSet<(Timestamp, String)>,
}

impl Clock {
    /// A job runs by this schedule, or by none, from now on.
    pub(super) fn set(&mut self, job: &str, schedule: Option<&Schedule>, now: Timestamp) {
        if let Some((_, at)) = self.schedules.remove(job) {
            self.next.remove(&(at, job.to_owned()));
        }
        if let Some((schedule, at)) = schedule.and_then(|schedule| Some((schedule, schedule.next(now)?))) {
            self.schedules.insert(job.to_owned(), (schedule.clone(), at));
            self.next.insert((at, job.to_owned()));
        }
    }

    /// When the first one is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.next.first().map(|(at, _)| *at)
    }

    pub(super) fn next_of(&self, job: &str) -> Option<Timestamp> {
        self.schedules.get(job).map(|(_, at)| *at)
    }

    /// Those that are due by now, each once, however often it was due meanwhile.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<String> {
        let mut due = Vec::new();
        while let Some((at, job)) = self.next.pop_first() {
            if at > now {
                self.next.insert((at, job));
                break;
            }
            let schedule = self.schedules.remove(&job).map(|(schedule, _)| schedule);
            self.set(&job, schedule.as_ref(), now);
            due.push(job);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(expression: &str) -> Schedule {
        Schedule::new(expression, None, false).unwrap()
    }

    #[test]
    fn each_is_due_at_its_time_and_once() {
        let (mut clock, start) = (Clock::default(), at("2026-03-01T10:00:30Z"));
        clock.set("often", Some(&schedule("* * * * *")), start);
        clock.set("daily", Some(&schedule("0 12 * * *")), start);
        assert_eq!(clock.next(), Some(at("2026-03-01T10:01:00Z")));
        assert_eq!(clock.due(start), [""; 0]);
        // The machine slept for an hour: one run, not sixty.
        assert_eq!(clock.due(at("2026-03-01T11:00:00Z")), ["often"]);
        assert_eq!(clock.next_of("often"), Some(at("2026-03-01T11:01:00Z")));
        assert_eq!(clock.due(at("2026-03-01T12:00:00Z")), ["often", "daily"]);
    }

    #[test]
    fn a_job_without_its_schedule_is_never_due() {
        let (mut clock, start) = (Clock::default(), at("2026-03-01T10:00:30Z"));
        clock.set("often", Some(&schedule("* * * * *")), start);
        clock.set("often", None, start);
        assert_eq!((clock.next(), clock.next_of("often")), (None, None));
    }
}
