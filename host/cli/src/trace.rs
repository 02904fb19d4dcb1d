//! Where the time of a start goes: with `SANDHOG_TRACE_START=1` a `run` prints it, to stderr, when it is over.
//!
//! Must not: cost anything where nobody asks.

use super::render;
use sandhog_runtime::stamps::{self, Noted};
use sandhog_sys::stamps as noting;

const VARIABLE: &str = "SANDHOG_TRACE_START";

/// Notes from here on, where it is asked for. Before anything else.
pub(super) fn begin() {
    if std::env::var_os(VARIABLE).is_some_and(|value| value == "1") {
        noting::begin();
        noting::note("begins");
    }
}

/// Prints what was noted.
pub(super) fn show() {
    if noting::is_on() {
        noting::note("is over");
        render::aside(&table(&stamps::take()));
    }
}

/// Each place with the time since the first, and since the last one of the same process.
fn table(noted: &[Noted]) -> String {
    let begin = noted.first().map_or(0, |noted| noted.stamp.at_ns);
    let micros = |since: u64, until: u64| (until.saturating_sub(since) / 1000).to_string();
    let rows = noted.iter().enumerate().map(|(at, Noted { process, stamp })| {
        let before = noted[..at].iter().rev().find(|before| before.process == *process);
        [
            micros(begin, stamp.at_ns),
            before.map_or_else(String::new, |before| micros(before.stamp.at_ns, stamp.at_ns)),
            process.name().to_owned(),
            stamp.place.clone(),
        ]
    });
    render::table::table(["AT_US", "STEP_US", "PROCESS", "PLACE"], &rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::spawn::Stamp;
    use sandhog_runtime::stamps::Process;

    #[test]
    fn places_are_shown_with_the_time_since_the_first_and_the_last_of_their_process() {
        let noted = |process, place: &str, at_ns| Noted { process, stamp: Stamp { place: place.into(), at_ns } };
        let all = [
            noted(Process::Command, "begins", 7_000_000),
            noted(Process::Worker, "a\n", 7_005_000),
            noted(Process::Command, "is over", 7_012_900),
        ];
        let text = "AT_US  STEP_US  PROCESS  PLACE\n0               command  begins\n5               worker   a\\n\n\
                    12     12       command  is over\n";
        assert_eq!(table(&all), text);
    }
}
