//! The daemon's numbers as Prometheus' text format (version 0.0.4) has them. Pure: what is known comes in.
//!
//! Must not: look at anything, hold the one task up; sessions put it together.

use sandhog_protocol::control::{Instance, Phase};
use sandhog_serve::dispatcher::Dispatcher;
use sandhog_serve::prometheus;
use std::fmt::{Display, Write};

/// What the fleet knows at one moment.
pub(super) struct Snapshot {
    /// Jobs, with and without an instance.
    pub jobs: usize,
    pub instances: Vec<Instance>,
    /// Jobs that serve HTTP, by their names.
    pub served: Vec<(String, Dispatcher)>,
}

/// A family of metrics.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "gauge", help }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "counter", help }
}

const BUILD: Family = gauge("sandhog_build_info", "The version of the daemon; its value is always 1.");
const JOBS: Family = gauge("sandhog_jobs", "Jobs that the daemon knows.");
const UP: Family = gauge("sandhog_instance_up", "1 where the instance is ready, else 0.");
const RESTARTS: Family = counter("sandhog_instance_restarts_total", "Attempts of the instance after the first one.");
const MEMORY: Family = gauge("sandhog_instance_memory_bytes", "Resident memory of the worker.");
const CPU: Family =
    counter("sandhog_instance_cpu_seconds_total", "CPU time of the worker, user and system; from 0 with each attempt.");

/// All of it.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let Snapshot { jobs, instances, served } = snapshot;
    let mut text = String::new();
    let version = format!("version=\"{}\"", escape(env!("CARGO_PKG_VERSION")));
    family(&mut text, &BUILD, [(version, 1)]);
    family(&mut text, &JOBS, [(String::new(), jobs)]);
    let labels = |instance: &Instance| {
        let Instance { group, job, instance, .. } = instance;
        format!("group=\"{}\",job=\"{}\",instance=\"{instance}\"", escape(group), escape(job))
    };
    let all = || instances.iter();
    family(&mut text, &UP, all().map(|one| (labels(one), u8::from(one.phase == Phase::Running))));
    family(&mut text, &RESTARTS, all().map(|one| (labels(one), one.restarts)));
    family(&mut text, &MEMORY, all().filter_map(|one| Some((labels(one), one.memory_bytes?))));
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
    family(&mut text, &CPU, all().filter_map(|one| Some((labels(one), seconds(one.cpu_ms?)))));
    let served: Vec<_> = served.iter().map(|(job, dispatcher)| (job.as_str(), dispatcher.numbers())).collect();
    text + &prometheus::text(&served)
}

/// One family of metrics: of each its labels, and its value.
fn family(text: &mut String, family: &Family, values: impl IntoIterator<Item = (String, impl Display)>) {
    let Family { name, kind, help } = family;
    // Writing to a String does not fail.
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    for (labels, value) in values {
        let _ = if labels.is_empty() {
            writeln!(text, "{name} {value}")
        } else {
            writeln!(text, "{name}{{{labels}}} {value}")
        };
    }
}

/// What a label's value may not hold as it is (text format, "Line format").
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(number: u32, phase: Phase, memory_bytes: Option<u64>) -> Instance {
        Instance {
            id: 1,
            job: "web \"1\"\\".into(),
            group: "shop".into(),
            instance: number,
            phase,
            reason: None,
            reloading: false,
            paused: false,
            since_ms: 0,
            attempt: None,
            pid: None,
            started_ms: None,
            cpu_permille: None,
            cpu_ms: memory_bytes.map(|_| 1_042),
            memory_bytes,
            peak_rss_bytes: None,
            messages_received: None,
            messages_sent: None,
            restarts: 3,
            last: None,
            next_ms: None,
            progress: None,
            raised: Vec::new(),
            requests: None,
            profile: None,
        }
    }

    #[test]
    fn what_is_known_of_instances_is_a_line_each_and_what_is_not_is_left_out() {
        let instances = vec![instance(0, Phase::Running, Some(9)), instance(1, Phase::Backoff, None)];
        let text = text(&Snapshot { jobs: 1, instances, served: Vec::new() });
        let own: Vec<_> = text.lines().take_while(|line| !line.contains("sandhog_http")).collect();
        let version = format!("sandhog_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        let zero = "group=\"shop\",job=\"web \\\"1\\\"\\\\\",instance=\"0\"";
        let one = zero.replace("instance=\"0\"", "instance=\"1\"");
        let values: Vec<_> = own.iter().filter(|line| !line.starts_with('#')).map(|line| (*line).to_owned()).collect();
        assert_eq!(
            values,
            [
                version,
                "sandhog_jobs 1".into(),
                format!("sandhog_instance_up{{{zero}}} 1"),
                format!("sandhog_instance_up{{{one}}} 0"),
                format!("sandhog_instance_restarts_total{{{zero}}} 3"),
                format!("sandhog_instance_restarts_total{{{one}}} 3"),
                format!("sandhog_instance_memory_bytes{{{zero}}} 9"),
                format!("sandhog_instance_cpu_seconds_total{{{zero}}} 1.042"),
            ]
        );
        assert_eq!(own.iter().filter(|line| line.starts_with("# TYPE ")).count(), 6);
    }
}
