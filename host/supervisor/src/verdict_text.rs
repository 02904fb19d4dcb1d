//! A verdict as text: in a few words, and as the end of a sentence. `cli` has the messages for a person at a terminal,
//! with hints.
//!
//! Must not: decide anything.

use sandhog_protocol::verdict::Verdict;
use sandhog_spec::text::escape;

/// Longest text of a verdict in a sentence of ours, in bytes: what is longer is in the verdict itself.
const WORDS: usize = 200;

/// The verdict in a few words, its name first: a column of a table. One line, whatever the guest has put into it.
#[must_use]
pub fn brief(verdict: &Verdict) -> String {
    let kind = verdict.kind().name();
    let text = match verdict {
        Verdict::Completed { .. } | Verdict::Stopped { graceful: true, .. } => kind.into(),
        Verdict::Failed { code } => format!("{kind} with code {code}"),
        Verdict::Trapped { message, .. } => format!("{kind}: {message}"),
        Verdict::Deadline { limit }
        | Verdict::Cpu { limit, .. }
        | Verdict::Memory { limit, .. }
        | Verdict::Output { limit } => {
            format!("{kind}: more than {limit}")
        }
        Verdict::Denied { syscall } => syscall.as_ref().map_or(kind.into(), |syscall| format!("{kind}: {syscall}")),
        Verdict::Killed { signal, .. } => format!("{kind} by {signal}"),
        Verdict::Stopped { graceful: false, .. } => format!("{kind} by force"),
        Verdict::Unhealthy { check } => format!("{kind}: {}", check.failure()),
        Verdict::Lost { reason, .. } => format!("{kind}: {reason}"),
        Verdict::Refused { reason } => format!("{kind}: {reason}"),
        Verdict::Unknown => "ended in a way that this version does not know".into(),
    };
    escape(&text).into_owned()
}

/// What became of an attempt, as the end of a sentence.
#[must_use]
pub fn clause(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Completed { .. } => "completed".into(),
        Verdict::Failed { code } => format!("failed with code {code}"),
        Verdict::Trapped { message, .. } => format!("trapped: {}", quoted(message)),
        Verdict::Deadline { limit } => format!("met its time limit of {}", quoted(limit)),
        Verdict::Cpu { limit, .. } => format!("met its CPU limit of {}", quoted(limit)),
        Verdict::Memory { limit, .. } => format!("met its memory limit of {}", quoted(limit)),
        Verdict::Output { limit } => format!("met its output limit of {}", quoted(limit)),
        Verdict::Denied { syscall: Some(call) } => format!("made the forbidden system call {}", quoted(call)),
        Verdict::Denied { syscall: None } => "made a forbidden system call".into(),
        Verdict::Killed { signal, .. } => format!("was killed by {}", quoted(signal)),
        Verdict::Stopped { .. } => "was stopped".into(),
        Verdict::Unhealthy { check } => format!("was unhealthy ({})", quoted(check.failure())),
        Verdict::Lost { reason, .. } => format!("was lost: {}", quoted(reason)),
        Verdict::Refused { reason } => format!("was refused: {}", quoted(reason)),
        Verdict::Unknown => "ended in a way that this version does not know".into(),
    }
}

/// A text of a verdict, harmless and short: a guest may have chosen it.
fn quoted(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(WORDS)];
    if cut.len() == text.len() { escape(text).into_owned() } else { format!("{}…", escape(cut)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_has_chosen_is_short_and_harmless() {
        let hostile = Verdict::Refused { reason: format!("\x1b[2J{}", "ä".repeat(500)) };
        let words = clause(&hostile);
        assert!(words.starts_with("was refused: \\u{1b}[2Jä") && words.ends_with('…') && words.len() < 250);
        assert!(brief(&hostile).starts_with("refused: \\u{1b}[2Jä"));
    }
}
