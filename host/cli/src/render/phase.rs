//! What an instance does and how it ended, in a word and a colour.

use clap::builder::styling::{AnsiColor, Style};
use sandhog_protocol::control::{EndedAttempt, Instance, Phase};
use sandhog_protocol::verdict::Verdict;

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Good,
    Busy,
    Bad,
    Quiet,
}

/// Its state in a word: that it is held counts more than what it would do.
pub fn state(instance: &Instance) -> &str {
    if instance.paused { "paused" } else { instance.phase.as_str() }
}

pub const fn mood(phase: Phase) -> Mood {
    match phase {
        Phase::Running => Mood::Good,
        Phase::Waiting | Phase::Starting | Phase::Stopping | Phase::Backoff => Mood::Busy,
        Phase::Failed => Mood::Bad,
        Phase::Idle | Phase::Scheduled | Phase::Stopped | Phase::Unknown(_) => Mood::Quiet,
    }
}

/// The verdict of an attempt in a word, with the guest's code where that tells more.
pub fn verdict(ended: &EndedAttempt) -> String {
    if let Verdict::Failed { code } = &ended.verdict {
        return format!("failed({code})");
    }
    ended.verdict.kind().name().to_owned()
}

pub const fn verdict_mood(verdict: &Verdict) -> Mood {
    match verdict {
        Verdict::Completed { .. } => Mood::Good,
        Verdict::Stopped { .. } => Mood::Quiet,
        Verdict::Failed { .. }
        | Verdict::Trapped { .. }
        | Verdict::Deadline { .. }
        | Verdict::Cpu { .. }
        | Verdict::Memory { .. }
        | Verdict::Output { .. }
        | Verdict::Denied { .. }
        | Verdict::Killed { .. }
        | Verdict::Unhealthy { .. }
        | Verdict::Lost { .. }
        | Verdict::Refused { .. }
        | Verdict::Unknown => Mood::Bad,
    }
}

/// `web/0`.
pub fn label(instance: &Instance) -> String {
    format!("{}/{}", instance.job, instance.instance)
}

pub fn cpu(permille: u32) -> String {
    format!("{}.{}%", permille / 10, permille % 10)
}

pub use sandhog_spec::units::print_about as memory;

/// A rate in thousandths, in about three digits.
pub fn rate(milli: u64) -> String {
    match milli {
        0..100_000 => format!("{}.{}", milli / 1_000, milli % 1_000 / 100),
        _ => (milli / 1_000).to_string(),
    }
}

/// How long something short took, in about three digits.
pub fn latency(us: u64) -> String {
    match us {
        0..1_000 => format!("{us}us"),
        1_000..100_000 => format!("{}.{}ms", us / 1_000, us % 1_000 / 100),
        100_000..1_000_000 => format!("{}ms", us / 1_000),
        _ => format!("{}.{}s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

impl Mood {
    /// The text in its colour, where there is to be any.
    pub fn paint(self, text: &str, colour: bool) -> String {
        let style = match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Busy => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Quiet => Style::new().dimmed(),
        };
        if colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let texts = [0, 1023, 1024, 13_000_000, 512 << 20, 3 << 29, 1 << 62].map(memory);
        assert_eq!(texts, ["0B", "1023B", "1.0KiB", "12.3MiB", "512MiB", "1.5GiB", "1677721TiB"]);
    }

    #[test]
    fn cpu_is_in_percent_of_one_processor() {
        assert_eq!([0, 123, 2500].map(cpu), ["0.0%", "12.3%", "250.0%"]);
    }

    #[test]
    fn rates_and_times_have_about_three_digits() {
        let rates = [0, 300, 99_900, 100_000, 12_345_600].map(rate);
        assert_eq!(rates, ["0.0", "0.3", "99.9", "100", "12345"]);
        let times = [0, 999, 1_000, 31_460, 100_000, 999_999, 1_000_000, 30_000_000].map(latency);
        assert_eq!(times, ["0us", "999us", "1.0ms", "31.4ms", "100ms", "999ms", "1.0s", "30.0s"]);
    }
}
