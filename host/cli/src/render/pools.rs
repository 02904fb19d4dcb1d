//! The tables of commands of `ps --all`: those with a pool, and those that serve.

use super::phase;
use super::table::table;
use super::time::rough;
use crate::pools::{Asked, Status};
use sandhog_protocol::pool_status::PoolStatus;
use sandhog_protocol::serve_status::ServeStatus;

/// What is shown of what is not known.
const NOTHING: &str = "-";

/// The tables; nothing where there is none. A command that gives no answer is in that of pools.
pub(crate) fn text(commands: &[Asked], now_ms: u64) -> String {
    let (mut pools, mut serving) = (Vec::new(), Vec::new());
    for Asked { pid, status } in commands {
        match status {
            None => pools.push(silent(*pid)),
            Some(Status::Pool(status)) => pools.push(pool(*pid, status)),
            Some(Status::Serve(status)) => serving.push(serve(*pid, status, now_ms)),
        }
    }
    let pools_heading =
        ["PID", "COMMAND", "JOB", "KIND", "IDLE", "BUSY", "WAITING", "STARTED", "RECYCLED", "START P50", "START P99"];
    let serving_heading =
        ["PID", "COMMAND", "JOB", "ADDRESS", "WORKERS", "REQ/S", "P50", "P99", "IN-FLIGHT", "ERRORS", "UPTIME"];
    let between = if pools.is_empty() || serving.is_empty() { "" } else { "\n" };
    [of(pools_heading, &pools), between.to_owned(), of(serving_heading, &serving)].concat()
}

fn of(heading: [&str; 11], rows: &[[String; 11]]) -> String {
    if rows.is_empty() { String::new() } else { table(heading, rows) }
}

fn silent(pid: u32) -> [String; 11] {
    let mut cells = std::array::from_fn(|_| NOTHING.to_owned());
    cells[0] = pid.to_string();
    cells
}

fn pool(pid: u32, status: &PoolStatus) -> [String; 11] {
    [
        pid.to_string(),
        status.command.as_str().to_owned(),
        status.job.clone(),
        status.kind.as_str().to_owned(),
        status.idle.to_string(),
        status.busy.to_string(),
        status.waiting.to_string(),
        status.started.to_string(),
        status.recycled.to_string(),
        milliseconds(status.start_us_p50),
        milliseconds(status.start_us_p99),
    ]
}

fn serve(pid: u32, status: &ServeStatus, now_ms: u64) -> [String; 11] {
    let latency = |us: Option<u64>| us.map_or_else(|| NOTHING.to_owned(), phase::latency);
    [
        pid.to_string(),
        status.command.as_str().to_owned(),
        status.job.clone(),
        status.address.clone(),
        status.workers.to_string(),
        phase::rate(status.rate_milli),
        latency(status.p50_us),
        latency(status.p99_us),
        status.in_flight.to_string(),
        status.errors.to_string(),
        rough(now_ms.saturating_sub(status.since_ms)),
    ]
}

/// With one digit behind the point: a start takes some tenths of one.
fn milliseconds(micros: Option<u64>) -> String {
    micros.map_or_else(|| NOTHING.to_owned(), |micros| format!("{}.{}ms", micros / 1000, micros % 1000 / 100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::shows;
    use sandhog_protocol::pool::Kind;
    use sandhog_protocol::pool_status::Command;

    fn pool_of(pid: u32) -> Asked {
        let status = PoolStatus {
            command: Command::Map,
            job: "words\n".into(),
            kind: Kind::Handler,
            idle: 2,
            busy: 1,
            waiting: 30,
            started: 400,
            recycled: 5,
            start_us_p50: Some(345),
            start_us_p99: Some(12_900),
            ..PoolStatus::default()
        };
        Asked { pid, status: Some(Status::Pool(status)) }
    }

    fn serving_of(pid: u32) -> Asked {
        let status = ServeStatus {
            command: Command::Serve,
            job: "web".into(),
            address: "127.0.0.1:8080".into(),
            since_ms: 60_000,
            workers: 4,
            rate_milli: 12_500,
            in_flight: 3,
            errors: 1,
            p50_us: Some(310),
            ..ServeStatus::default()
        };
        Asked { pid, status: Some(Status::Serve(status)) }
    }

    #[test]
    fn the_table_of_pools_reads_like_this() {
        let pools = [pool_of(77), Asked { pid: 4200, status: None }];
        shows("ps-all-pools", &text(&pools, 0));
        assert_eq!(text(&[], 0), "");
    }

    #[test]
    fn commands_that_serve_have_a_table_of_their_own() {
        let all = text(&[serving_of(9), pool_of(77)], 120_000);
        let (_, serving) = all.split_once("\n\n").unwrap();
        assert_eq!(text(&[serving_of(9)], 120_000), serving);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut lines = serving.lines();
        assert!(words(lines.next().unwrap()).starts_with(&words("PID COMMAND JOB ADDRESS WORKERS REQ/S P50 P99")));
        let row = words(lines.next().unwrap());
        assert_eq!(row[..5], words("9 serve web 127.0.0.1:8080 4"));
        assert_eq!(row[7..10], words("- 3 1"));
        assert_eq!(lines.next(), None);
    }
}
