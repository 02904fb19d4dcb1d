//! The table of pools of `ps --all`.

use super::table::table;
use crate::pools::Asked;

/// What is shown of a pool that gives no answer.
const NOTHING: &str = "-";

/// The table; nothing where there is none.
pub(crate) fn text(pools: &[Asked]) -> String {
    if pools.is_empty() {
        return String::new();
    }
    let heading =
        ["PID", "COMMAND", "JOB", "KIND", "IDLE", "BUSY", "WAITING", "STARTED", "RECYCLED", "START P50", "START P99"];
    table(heading, &pools.iter().map(row).collect::<Vec<_>>())
}

fn row(asked: &Asked) -> [String; 11] {
    let Some(status) = &asked.status else {
        let mut cells = std::array::from_fn(|_| NOTHING.to_owned());
        cells[0] = asked.pid.to_string();
        return cells;
    };
    [
        asked.pid.to_string(),
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

/// With one digit behind the point: a start takes some tenths of one.
fn milliseconds(micros: Option<u64>) -> String {
    micros.map_or_else(|| NOTHING.to_owned(), |micros| format!("{}.{}ms", micros / 1000, micros % 1000 / 100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::shows;
    use sandhog_protocol::pool::Kind;
    use sandhog_protocol::pool_status::{Command, PoolStatus};

    #[test]
    fn the_table_of_pools_reads_like_this() {
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
        let pools = [Asked { pid: 77, status: Some(status) }, Asked { pid: 4200, status: None }];
        shows("ps-all-pools", &text(&pools));
        assert_eq!(text(&[]), "");
    }
}
