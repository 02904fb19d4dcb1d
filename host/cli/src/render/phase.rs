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
    match &ended.verdict {
        Verdict::Failed { code } => format!("failed({code})"),
        other => other.kind().name().to_owned(),
    }
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
}
