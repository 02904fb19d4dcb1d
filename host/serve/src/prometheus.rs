//! Numbers in Prometheus' text format, version 0.0.4. Pure.
//!
//! Must not: count anything itself.

use crate::numbers::{BOUNDS, Numbers};
use std::fmt::{Display, Write};

/// All jobs, by their names.
#[must_use]
pub fn text(jobs: &[(&str, Numbers)]) -> String {
    let mut page = Page { text: String::with_capacity(4096 * jobs.len().max(1)), jobs };
    page.requests();
    page.durations();
    let counters: [Series; 5] = [
        ("received_bytes_total", "Bytes of requests' bodies.", |numbers| numbers.received_bytes),
        ("sent_bytes_total", "Bytes of answers' bodies.", |numbers| numbers.sent_bytes),
        ("connections_accepted_total", "Connections so far.", |numbers| numbers.accepted),
        ("connections_refused_total", "Connections that no worker took: answered with 503.", |numbers| {
            numbers.refused_connections
        }),
        ("connections_lost_total", "Connections whose worker died.", |numbers| numbers.lost_connections),
    ];
    for (name, help, value) in counters {
        page.each(name, "counter", help, value);
    }
    let gauges: [Series; 4] = [
        ("requests_in_flight", "Requests that have not ended.", |numbers| numbers.in_flight),
        ("connections", "Connections that a worker has.", |numbers| numbers.connections),
        ("connections_waiting", "Connections that no worker has taken.", |numbers| numbers.waiting),
        ("workers", "Workers that take connections.", |numbers| numbers.workers.into()),
    ];
    for (name, help, value) in gauges {
        page.each(name, "gauge", help, value);
    }
    page.text
}

/// One value of each job: its name, what it means, and where it is.
type Series = (&'static str, &'static str, fn(&Numbers) -> u64);

struct Page<'a> {
    text: String,
    jobs: &'a [(&'a str, Numbers)],
}

impl Page<'_> {
    fn requests(&mut self) {
        self.head("requests_total", "counter", "Requests that have ended, by their status.");
        const CODES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
        for (job, numbers) in self.jobs {
            for (code, count) in CODES.iter().zip(numbers.by_class) {
                self.line("requests_total", job, Some(("code", code)), count);
            }
        }
        self.head("requests_ended_total", "counter", "Requests that have ended, by how they did.");
        for (job, numbers) in self.jobs {
            let Numbers { abandoned, refused, overloaded, late, failed, .. } = *numbers;
            let others = abandoned + refused + overloaded + late + failed;
            for (end, count) in [
                ("answered", numbers.requests.saturating_sub(others)),
                ("abandoned", abandoned),
                ("refused", refused),
                ("overloaded", overloaded),
                ("late", late),
                ("failed", failed),
            ] {
                self.line("requests_ended_total", job, Some(("end", end)), count);
            }
        }
    }

    fn durations(&mut self) {
        let name = "request_duration_seconds";
        self.head(name, "histogram", "From the end of a request's head to the end of the answer.");
        for (job, numbers) in self.jobs {
            let bucket = format!("{name}_bucket");
            for (bound, count) in BOUNDS.iter().zip(numbers.within) {
                self.line(&bucket, job, Some(("le", &seconds(*bound))), count);
            }
            self.line(&bucket, job, Some(("le", "+Inf")), numbers.requests);
            self.line(&format!("{name}_sum"), job, None, numbers.total.as_secs_f64());
            self.line(&format!("{name}_count"), job, None, numbers.requests);
        }
    }

    fn each(&mut self, name: &str, kind: &str, help: &str, value: fn(&Numbers) -> u64) {
        self.head(name, kind, help);
        for (job, numbers) in self.jobs {
            self.line(name, job, None, value(numbers));
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String does not fail.
        let _ = write!(self.text, "# HELP sandhog_http_{name} {help}\n# TYPE sandhog_http_{name} {kind}\n");
    }

    fn line(&mut self, name: &str, job: &str, label: Option<(&str, &str)>, value: impl Display) {
        let _ = write!(self.text, "sandhog_http_{name}{{job=\"{}\"", escape(job));
        if let Some((key, text)) = label {
            let _ = write!(self.text, ",{key}=\"{text}\"");
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}

/// Microseconds as seconds, without zeros at the end.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
fn seconds(micros: u64) -> String {
    (micros as f64 / 1e6).to_string()
}

/// What a label's value may not hold as it is (text format, "Line format").
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn numbers() -> Numbers {
        Numbers {
            requests: 7,
            by_class: [1, 0, 4, 0, 1, 1],
            failed: 1,
            within: [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 6],
            total: Duration::from_millis(1500),
            in_flight: 2,
            ..Numbers::default()
        }
    }

    #[test]
    fn counts_have_the_job_and_the_kind_of_status_as_labels() {
        let page = text(&[("api", numbers()), ("web \"1\"", Numbers::default())]);
        for line in [
            "# TYPE sandhog_http_requests_total counter",
            "sandhog_http_requests_total{job=\"api\",code=\"2xx\"} 4",
            "sandhog_http_requests_total{job=\"api\",code=\"none\"} 1",
            "sandhog_http_requests_total{job=\"web \\\"1\\\"\",code=\"5xx\"} 0",
            "sandhog_http_requests_ended_total{job=\"api\",end=\"answered\"} 6",
            "sandhog_http_request_duration_seconds_bucket{job=\"api\",le=\"0.001\"} 2",
            "sandhog_http_request_duration_seconds_bucket{job=\"api\",le=\"10\"} 6",
            "sandhog_http_request_duration_seconds_bucket{job=\"api\",le=\"+Inf\"} 7",
            "sandhog_http_request_duration_seconds_sum{job=\"api\"} 1.5",
            "sandhog_http_request_duration_seconds_count{job=\"api\"} 7",
            "sandhog_http_requests_in_flight{job=\"api\"} 2",
        ] {
            assert!(page.lines().any(|other| other == line), "{line} is not in:\n{page}");
        }
    }

    #[test]
    fn each_name_is_described_once_before_its_values() {
        let page = text(&[("a", numbers()), ("b", numbers())]);
        let mut described = BTreeSet::new();
        for line in page.lines() {
            if let Some(head) = line.strip_prefix("# HELP ") {
                assert!(described.insert(head.split(' ').next().unwrap().to_owned()), "{line}");
            } else if !line.starts_with('#') {
                let name = line.split('{').next().unwrap();
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                assert!(described.contains(base) || described.contains(name), "{line}");
            }
        }
        assert!(page.ends_with('\n') && described.len() == 12, "{described:?}");
    }
}
