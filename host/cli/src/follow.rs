//! Lines that come for as long as somebody reads them, from one daemon after the other: a daemon that ends, or is killed, is
//! waited for, and what it tells goes on where it broke off.
//!
//! Must not: print what was shown already, as far as that can be known, or anything but lines on stdout.

use super::client::{Client, Over};
use super::embedded::Failure;
use super::render::problem::Problem;
use super::silence::on_stderr;
use sandhog_protocol::control::LogLine;
use sandhog_protocol::exit_code;
use sandhog_spec::units::print_duration;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// How long a daemon may be away: a service manager starts it again within seconds, a person after reading the sentence.
const AWAY: Duration = Duration::from_secs(30);

/// The first pause between two looks for it, and the longest; each is twice the last.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The time without a daemon: there is none, or one.
#[derive(Default)]
pub(super) struct Gap {
    since: Option<Instant>,
    pause: Duration,
}

impl Gap {
    /// Whether it goes on from where another daemon, or another connection, has broken off.
    pub(super) const fn is_open(&self) -> bool {
        self.since.is_some()
    }

    /// A daemon has begun to tell.
    pub(super) fn ends(&mut self) {
        if self.since.take().is_some() {
            on_stderr()(Problem::new("the daemon is back"));
        }
    }

    fn begins(&mut self, reason: &str) {
        if self.since.is_none() {
            *self = Self { since: Some(Instant::now()), pause: PAUSE };
            let problem = Problem::new(format!("{reason}; it is waited for, for up to {}", print_duration(AWAY)));
            on_stderr()(problem);
        }
    }

    /// Waits for a daemon.
    fn wait(&mut self) -> Result<Client, Failure> {
        while self.since.is_some_and(|since| since.elapsed() < AWAY) {
            // Nothing tells when there is one: its socket's very directory may be new.
            std::thread::sleep(self.pause);
            self.pause = (self.pause * 2).min(PAUSE_MAX);
            if let Some(client) = Client::try_connect()? {
                return Ok(client);
            }
        }
        let problem = Problem::new(format!("no daemon has come back within {}", print_duration(AWAY)));
        let hint = "sandhog up or sandhog daemon starts one, and what was up is up again with it";
        Err(Failure { problem: problem.with_hint(hint), code: exit_code::SANDHOG_FAILED })
    }
}

/// Asks a daemon for lines, and the next one for those that follow, until somebody has enough of them.
///
/// # Errors
/// They are refused, or no daemon comes back.
pub(super) fn follow(
    mut client: Client,
    mut ask: impl FnMut(&mut Client, &mut Gap) -> Result<Over, Failure>,
) -> Result<(), Failure> {
    let mut gap = Gap::default();
    loop {
        match ask(&mut client, &mut gap)? {
            Over::Enough => return Ok(()),
            Over::Ended => gap.begins("the daemon has ended"),
            Over::Lost => gap.begins("the daemon has gone without a word"),
            Over::Unavailable(failure) if !gap.is_open() => return Err(failure),
            // It is on its way out, or not quite there.
            Over::Unavailable(_) => {}
        }
        client = gap.wait()?;
    }
}

/// Lines of a job that are remembered to find the place where it broke off: more than are alike in a row, mostly.
const REMEMBERED: usize = 64;

/// What was shown last of each job.
pub(super) struct Shown {
    /// Of a job of which nothing was shown, what is older than this was not asked for.
    since_ms: u64,
    jobs: HashMap<String, Last>,
}

#[derive(Default)]
struct Last {
    at_ms: u64,
    lines: VecDeque<u64>,
}

impl Shown {
    /// Nothing yet, at this time of day.
    pub(super) fn nothing(now_ms: u64) -> Self {
        Self { since_ms: now_ms, jobs: HashMap::new() }
    }

    pub(super) fn add(&mut self, line: &LogLine) {
        // One that says that others were left out is in no file.
        if line.job.is_empty() {
            return;
        }
        if !self.jobs.contains_key(&line.job) {
            self.jobs.insert(line.job.clone(), Last::default());
        }
        if let Some(last) = self.jobs.get_mut(&line.job) {
            last.at_ms = line.at_ms;
            last.lines.push_back(digest(line));
            last.lines.drain(..last.lines.len().saturating_sub(REMEMBERED));
        }
    }

    /// Of the last lines that there are, those that were not shown. A job's lines are in the order in which it wrote them,
    /// whatever their times are: clocks are set.
    pub(super) fn not_yet(&self, past: Vec<LogLine>) -> Vec<LogLine> {
        let mut of_jobs: HashMap<&str, Vec<u64>> = HashMap::new();
        for line in &past {
            of_jobs.entry(&line.job).or_default().push(digest(line));
        }
        // How many of each job were shown, where their place was found.
        let shown: HashMap<String, Option<usize>> =
            of_jobs.into_iter().map(|(job, lines)| (job.to_owned(), self.shown_of(job, &lines))).collect();
        let mut seen: HashMap<String, usize> = HashMap::new();
        let is_new = |line: &LogLine| {
            let seen = seen.entry(line.job.clone()).or_default();
            *seen += 1;
            match shown.get(&line.job).copied().flatten() {
                Some(shown) => *seen > shown,
                None => line.at_ms > self.jobs.get(&line.job).map_or(self.since_ms, |last| last.at_ms),
            }
        };
        past.into_iter().filter(is_new).collect()
    }

    /// Up to where these lines of a job were shown: the last place where the lines before are those that were shown last, as
    /// far as both go back.
    fn shown_of(&self, job: &str, lines: &[u64]) -> Option<usize> {
        let last = &self.jobs.get(job)?.lines;
        let fits = |end: &usize| {
            let before = lines[..*end].iter().rev();
            before.zip(last.iter().rev()).all(|(one, other)| one == other)
        };
        (1..=lines.len()).rev().find(fits)
    }
}

fn digest(line: &LogLine) -> u64 {
    let LogLine { at_ms, job, instance, attempt, stream, text } = line;
    let mut hasher = DefaultHasher::new();
    (at_ms, job, instance, attempt, stream, text).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::control::LogStream;

    fn line(job: &str, at_ms: u64, text: &str) -> LogLine {
        let (job, attempt) = (job.to_owned(), "a-1".to_owned());
        LogLine { at_ms, job, instance: 0, attempt, stream: LogStream::Out, text: text.into() }
    }

    fn of_a(texts: &[&str]) -> Vec<LogLine> {
        texts.iter().map(|text| line("a", 5, text)).collect()
    }

    /// What is shown of `past` where `before` were shown.
    fn rest(before: &[LogLine], past: &[LogLine]) -> Vec<String> {
        let mut shown = Shown::nothing(4);
        before.iter().for_each(|line| shown.add(line));
        shown.not_yet(past.to_vec()).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn what_was_shown_is_not_shown_again_and_what_came_since_is() {
        let all = of_a(&["1", "2", "3", "4"]);
        for shown in 1..=4 {
            for begin in 0..shown {
                let left: Vec<_> = all[shown..].iter().map(|line| line.text.clone()).collect();
                assert_eq!(rest(&all[begin..shown], &all), left, "{begin}..{shown}");
                assert_eq!(rest(&all[..shown], &all[begin..]), left, "{begin}..{shown}");
            }
        }
        assert_eq!(rest(&all, &all), [""; 0]);
    }

    #[test]
    fn lines_that_are_alike_are_counted() {
        let before = of_a(&["x", "y", "y"]);
        assert_eq!(rest(&before, &of_a(&["x", "y", "y", "y", "z"])), ["y", "z"]);
        assert_eq!(rest(&before, &of_a(&["x", "y", "y", "z", "y"])), ["z", "y"]);
        assert_eq!(rest(&of_a(&["y"; 100]), &of_a(&["y"; 101])), [""; 0], "alike, and of one millisecond");
    }

    #[test]
    fn a_clock_that_was_set_back_hides_nothing() {
        let before = [line("a", 50, "1"), line("a", 60, "2")];
        let past = [&before[..], &[line("a", 10, "3"), line("a", 61, "4")]].concat();
        assert_eq!(rest(&before, &past), ["3", "4"]);
    }

    #[test]
    fn where_the_place_is_gone_time_tells() {
        let before = [line("a", 50, "not kept")];
        let past = [line("a", 40, "old"), line("a", 50, "as old"), line("a", 51, "new")];
        assert_eq!(rest(&before, &past), ["new"]);
        // Of a job of which nothing was shown, what came before anybody looked was not asked for.
        let past = [line("b", 3, "old"), line("a", 50, "not kept"), line("b", 5, "new")];
        assert_eq!(rest(&before, &past), ["new"]);
    }

    #[test]
    fn several_jobs_have_a_place_each() {
        let before = [line("a", 5, "a1"), line("b", 6, "b1"), line("a", 7, "a2")];
        let past = [&before[..], &[line("b", 8, "b2"), line("a", 9, "a3")]].concat();
        assert_eq!(rest(&before, &past), ["b2", "a3"]);
        let mut shown = Shown::nothing(0);
        shown.add(&LogLine { job: String::new(), ..line("", 7, "3 lines were left out") });
        assert!(shown.jobs.is_empty());
    }
}
