//! Lines of logs, and events. A job has one colour, so that the eye can follow it.

use super::Paper;
use super::phase::Mood;
use super::time::local;
use super::width::harmless;
use clap::builder::styling::{AnsiColor, Style};
use sandhog_protocol::control::{Event, EventKind, LogLine, LogStream};
use sandhog_spec::text::escape;
use sandhog_spec::time::utc;

/// Colours that are read well on black and on white, and are none of a [`Mood`].
const JOBS: [AnsiColor; 4] = [AnsiColor::Cyan, AnsiColor::Magenta, AnsiColor::Blue, AnsiColor::BrightCyan];

/// `TIME JOB/INSTANCE STREAM TEXT`.
pub fn log(line: &LogLine, now_ms: u64, paper: Paper) -> String {
    // Of lines that were left out, no job is named.
    let label = match line.job.as_str() {
        "" => "sandhog".to_owned(),
        job => format!("{}/{}", escape(job), line.instance),
    };
    let mood = match line.stream {
        LogStream::Out | LogStream::Log | LogStream::Access | LogStream::Unknown(_) => None,
        LogStream::Err => Some(Mood::Bad),
        LogStream::Sandhog => Some(Mood::Busy),
    };
    let stream = line.stream.as_str();
    let stream = mood.map_or_else(|| stream.to_owned(), |mood| mood.paint(stream, paper.colour));
    let time = time(line.at_ms, now_ms, paper);
    format!("{time} {} {stream} {}\n", in_its_colour(&label, &line.job, paper), harmless(&line.text))
}

/// `TIME JOB/INSTANCE TEXT`, in the colour of its kind; of the daemon itself, `sandhog` is in the place of a job.
pub fn event(event: &Event, now_ms: u64, paper: Paper) -> String {
    let job = event.job.as_deref().unwrap_or("sandhog");
    let instance = event.instance.map(|instance| format!("/{instance}")).unwrap_or_default();
    let label = format!("{}{instance}", escape(job));
    let text = escape(&event.text);
    let text = mood(event).map_or_else(|| text.clone().into_owned(), |mood| mood.paint(&text, paper.colour));
    let message = event.message.as_deref().map(|message| format!(" {}", escape(message))).unwrap_or_default();
    let time = time(event.at_ms, now_ms, paper);
    format!("{time} {} {text}{message}\n", in_its_colour(&label, job, paper))
}

fn mood(event: &Event) -> Option<Mood> {
    match event.kind {
        EventKind::Ready | EventKind::Reloaded | EventKind::Listening => Some(Mood::Good),
        EventKind::Failed | EventKind::Unhealthy | EventKind::ReloadFailed => Some(Mood::Bad),
        EventKind::Disconnected | EventKind::Deadlock | EventKind::RequestFailed => Some(Mood::Bad),
        EventKind::Backoff | EventKind::Recycled | EventKind::Retiring | EventKind::Skipped => Some(Mood::Busy),
        EventKind::Ended => event.verdict.as_ref().map(super::phase::verdict_mood),
        EventKind::Created
        | EventKind::Starting
        | EventKind::Stopping
        | EventKind::Stopped
        | EventKind::Finished
        | EventKind::Message
        | EventKind::Closed
        | EventKind::Deleted
        | EventKind::Problem
        | EventKind::DaemonStarted
        | EventKind::DaemonStopping
        | EventKind::Unknown(_) => None,
    }
}

fn time(at_ms: u64, now_ms: u64, paper: Paper) -> String {
    let time = if paper.is_terminal { local(at_ms, now_ms) } else { utc(at_ms) };
    Mood::Quiet.paint(&time, paper.colour)
}

fn in_its_colour(label: &str, job: &str, paper: Paper) -> String {
    if !paper.colour {
        return label.to_owned();
    }
    // FNV-1a, 32 bits: a job keeps its colour from one command to the next.
    let hash = job.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let style: Style = JOBS[hash as usize % JOBS.len()].on_default();
    format!("{style}{label}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::super::samples::NOON;
    use super::*;
    use crate::snapshot::shows;

    const PIPE: Paper = Paper { is_terminal: false, colour: false, width: None };

    #[test]
    fn a_line_of_a_log_is_this() {
        let line = samples::line("web", LogStream::Out, "hello\tworld\x1b[31m");
        assert_eq!(log(&line, NOON, PIPE), "2026-11-21T12:00:00.123Z web/0 out hello\tworld\\u{1b}[31m\n");
    }

    #[test]
    fn an_event_is_this() {
        let daemon = Event { job: None, instance: None, id: None, ..samples::event(EventKind::DaemonStarted, "up") };
        let message = Event { message: Some("{\"a\":1}".into()), ..samples::event(EventKind::Message, "it says") };
        let events = [daemon, samples::event(EventKind::Ready, "it is ready after 12ms"), message];
        shows("events", &events.iter().map(|it| event(it, NOON, PIPE)).collect::<String>());
    }

    #[test]
    fn whatever_a_job_writes_stays_one_line_without_control() {
        for text in ["a\rb", "\x1b]0;title\x07", "\u{202e}", "two\nlines"] {
            let shown = log(&samples::line("w\x1b", LogStream::Err, text), NOON, PIPE);
            assert_eq!(shown.matches('\n').count(), 1);
            assert!(shown.trim_end().chars().all(|c| !c.is_control()), "{shown:?}");
        }
    }

    #[test]
    fn a_job_keeps_its_colour() {
        let paper = Paper { is_terminal: true, colour: true, width: Some(80) };
        let of = |job: &str| in_its_colour("x", job, paper);
        assert_eq!(of("web"), of("web"));
        assert!(of("web").starts_with("\x1b["));
    }
}
