//! What `show` says of a job, in sections.

use super::Paper;
use super::phase::{self, Mood};
use super::time::{local, rough};
use super::width::{pad, width};
use sandhog_protocol::control::{EndedAttempt, Instance, Job, Phase, RaisedLimit, Requests, Serving};
use sandhog_spec::text::escape;
use sandhog_spec::time::utc;
use sandhog_spec::units::print_duration;
use std::time::Duration;

/// The job, its instances, how they ended, and its settings.
pub fn text(job: &Job, now_ms: u64, paper: Paper) -> String {
    let source = job.source.as_deref().unwrap_or("sandhog start");
    let mut text = heading("Job", paper);
    let profile = job.spec.profile.as_deref().map(|profile| ("profile", escape(profile).into_owned()));
    let about = [
        ("name", escape(&job.spec.name).into_owned()),
        ("group", escape(&job.spec.group).into_owned()),
        ("from", escape(source).into_owned()),
    ];
    text += &pairs(&about.into_iter().chain(profile).collect::<Vec<_>>());
    if let Some(serving) = &job.serving {
        text.push('\n');
        text += &heading("HTTP", paper);
        text += &pairs(&http(serving));
    }
    for instance in &job.instances {
        text.push('\n');
        text += &heading(&format!("Instance {}", instance.instance), paper);
        text += &pairs(&facts(instance, now_ms, paper));
    }
    if job.instances.is_empty() {
        text += &format!(
            "\nIt has no instance: sandhog start {0} gives it one, sandhog scale {0} N as many as you want.\n",
            escape(&job.spec.name)
        );
    }
    text += &ends(&job.ended, now_ms, paper);
    text.push('\n');
    text += &heading("Settings", paper);
    let settings = job.settings.iter().map(|(key, value)| (key.as_str(), escape(value).into_owned()));
    text + &pairs(&settings.collect::<Vec<_>>())
}

fn heading(text: &str, paper: Paper) -> String {
    if paper.colour { format!("\x1b[1m{text}\x1b[0m\n") } else { format!("{text}\n") }
}

/// `  KEY  VALUE`, the values below each other.
fn pairs(pairs: &[(&str, String)]) -> String {
    let columns = pairs.iter().map(|(key, _)| width(&escape(key))).max().unwrap_or(0);
    pairs.iter().map(|(key, value)| format!("  {}  {value}\n", pad(&escape(key), columns))).collect()
}

fn facts(instance: &Instance, now_ms: u64, paper: Paper) -> Vec<(&'static str, String)> {
    let time = |ms| if paper.is_terminal { local(ms, now_ms) } else { utc(ms) };
    let state = phase::mood(instance.phase).paint(phase::state(instance), paper.colour);
    let state = format!("{state}, for {}", rough(now_ms.saturating_sub(since_ms(instance))));
    let reason = instance.reason.as_deref().map(|reason| format!(": {}", escape(reason))).unwrap_or_default();
    let some = |key, value: Option<String>| value.map(|value| (key, value));
    let until = |at: u64| format!("{}, in {}", time(at), rough(at.saturating_sub(now_ms)));
    let started = |start| format!("{}, {} ago", time(start), rough(now_ms.saturating_sub(start)));
    let all = [
        Some(("state", state + &reason)),
        Some(("id", instance.id.to_string())),
        some("attempt", instance.attempt.as_deref().map(|attempt| escape(attempt).into_owned())),
        some("pid", instance.pid.map(|pid| pid.to_string())),
        some("started", instance.started_ms.map(started)),
        some("cpu", cpu(instance)),
        some("memory", memory(instance)),
        some("messages", messages(instance)),
        some("requests", instance.requests.as_ref().map(requests)),
        some("progress", instance.progress.as_deref().map(|text| escape(text).into_owned())),
        Some(("restarts", instance.restarts.to_string())),
        some("next", instance.next_ms.map(until)),
    ];
    let raised = instance.raised.iter().map(|one| ("raised", raised(one)));
    all.into_iter().flatten().chain(raised).collect()
}

/// How busy it is, and how much time that has taken so far. At the first look nobody knows how busy.
fn cpu(instance: &Instance) -> Option<String> {
    let used = instance.cpu_ms.map(|ms| format!("{} so far", print_duration(Duration::from_millis(ms))));
    joined([instance.cpu_permille.map(phase::cpu), used])
}

fn memory(instance: &Instance) -> Option<String> {
    let peak = instance.peak_rss_bytes.map(|bytes| format!("{} at its peak", phase::memory(bytes)));
    joined([instance.memory_bytes.map(phase::memory), peak])
}

fn messages(instance: &Instance) -> Option<String> {
    let received = instance.messages_received.map(|count| format!("{count} received"));
    joined([received, instance.messages_sent.map(|count| format!("{count} sent"))])
}

/// Of the job as a whole.
fn http(serving: &Serving) -> Vec<(&'static str, String)> {
    let Serving { address, requests, by_status, connections, waiting, overloaded } = serving;
    let listens = match address {
        Some(address) => format!("http://{}/", escape(address)),
        None => "nowhere: nothing of it is up".into(),
    };
    let answers = by_status.iter().enumerate().filter(|(_, count)| **count > 0);
    let answers: Vec<_> = answers.map(|(class, count)| format!("{}xx {count}", class + 1)).collect();
    let mut all = vec![("listens at", listens), ("requests", self::requests(requests))];
    if !answers.is_empty() {
        all.push(("answers", answers.join(", ")));
    }
    let refused = if *overloaded == 0 { String::new() } else { format!(", {overloaded} answered 503 so far") };
    all.push(("connections", format!("{connections} open, {waiting} of them without a worker{refused}")));
    all
}

fn requests(requests: &Requests) -> String {
    let Requests { total, rate_milli, in_flight, errors, p50_us, p99_us } = requests;
    let rate = phase::rate(*rate_milli);
    let errors = format!("{errors} {}", if *errors == 1 { "error" } else { "errors" });
    let times =
        p50_us.zip(*p99_us).map(|(half, most)| format!(", p50 {}, p99 {}", phase::latency(half), phase::latency(most)));
    format!("{total} so far, {rate} a second, {in_flight} in flight, {errors}{}", times.unwrap_or_default())
}

/// Those that are known.
fn joined(parts: [Option<String>; 2]) -> Option<String> {
    parts.into_iter().flatten().reduce(|first, second| format!("{first}, {second}"))
}

/// A limit that a retry has changed.
fn raised(one: &RaisedLimit) -> String {
    format!("{} {}, by a retry; configured is {}", escape(&one.limit), escape(&one.now), escape(&one.configured))
}

/// How its last attempts ended, newest first.
fn ends(ended: &[EndedAttempt], now_ms: u64, paper: Paper) -> String {
    if ended.is_empty() {
        return String::new();
    }
    let time = |ms| if paper.is_terminal { local(ms, now_ms) } else { utc(ms) };
    let mut text = format!("\n{}", heading("Last ends", paper));
    for end in ended {
        let verdict = phase::verdict_mood(&end.verdict).paint(&phase::verdict(end), paper.colour);
        let usage = format!(
            "ran {}, cpu {}, memory {}",
            print_duration(Duration::from_millis(end.usage.wall_ms)),
            print_duration(Duration::from_millis(end.usage.cpu_ms)),
            phase::memory(end.usage.peak_rss_bytes)
        );
        let usage = Mood::Quiet.paint(&usage, paper.colour);
        text.push_str(&format!("  {}  {verdict}  {}  {usage}\n", time(end.at_ms), escape(&end.text)));
    }
    text
}

/// Since when it is as it is: what runs, since it began, whatever ran before in its place.
fn since_ms(instance: &Instance) -> u64 {
    instance.started_ms.filter(|_| instance.phase == Phase::Running).unwrap_or(instance.since_ms)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{NOON, ended, running};
    use super::*;
    use crate::snapshot::shows;
    use sandhog_protocol::control::JobSpec;
    use sandhog_protocol::verdict::Verdict;

    #[test]
    fn a_job_is_shown_like_this() {
        let job = Job {
            spec: JobSpec { name: "web".into(), group: "shop".into(), ..JobSpec::default() },
            source: Some("/srv/sandhog.toml".into()),
            settings: vec![("module".into(), "/srv/web.wasm".into()), ("memory".into(), "512MiB".into())],
            instances: vec![Instance {
                restarts: 1,
                raised: vec![RaisedLimit { limit: "memory".into(), configured: "512MiB".into(), now: "1GiB".into() }],
                ..running(7, "web")
            }],
            ended: vec![ended(Verdict::Failed { code: 3 }, 3, "it ended with code 3")],
            serving: None,
        };
        let paper = Paper { is_terminal: false, colour: false, width: None };
        shows("show", &text(&job, NOON + 8000, paper));
    }
}
