//! How the pool of this command is, for `sandhog ps --all`.

use super::status_socket::{self, Listening, shortened};
use sandhog_protocol::pool::Kind;
use sandhog_protocol::pool_status::{Command, PoolStatus};
use sandhog_runtime::pool::{Pool, Statistics, WorkerKind};
use sandhog_spec::job::Job;
use sandhog_spec::units::micros;
use sandhog_sys::clock;

/// Lets this pool be asked about. None: there is no place for it, which is no reason not to have one.
pub(super) fn listen(pool: &Pool, command: Command, job: &Job) -> Option<Listening> {
    let common = PoolStatus {
        command,
        job: shortened(job.name.clone()),
        module: shortened(job.module.to_string_lossy().into_owned()),
        kind: match pool.kind() {
            WorkerKind::Handler => Kind::Handler,
            WorkerKind::Command => Kind::Command,
        },
        since_ms: clock::now_ms(),
        ..PoolStatus::default()
    };
    let pool = pool.clone();
    status_socket::listen(move || of_now(&common, &pool.statistics()))
}

fn of_now(common: &PoolStatus, statistics: &Statistics) -> PoolStatus {
    let Statistics { counts, start_p50, start_p99 } = statistics;
    PoolStatus {
        idle: counts.idle.into(),
        busy: counts.busy.into(),
        starting: counts.starting.into(),
        waiting: counts.waiting as u64,
        started: counts.started,
        recycled: counts.recycled,
        start_us_p50: start_p50.map(micros),
        start_us_p99: start_p99.map(micros),
        ..common.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status_socket::line;
    use sandhog_protocol::pool_status::{LINE, TEXT};

    #[test]
    fn the_longest_line_is_below_the_limit_whatever_is_in_its_texts() {
        let text = shortened("\u{1}".repeat(2 * TEXT));
        let most = Some(u64::MAX);
        let status = PoolStatus {
            job: text.clone(),
            module: text,
            kind: Kind::Command,
            since_ms: u64::MAX,
            idle: u64::MAX,
            busy: u64::MAX,
            starting: u64::MAX,
            waiting: u64::MAX,
            started: u64::MAX,
            recycled: u64::MAX,
            start_us_p50: most,
            start_us_p99: most,
            ..PoolStatus::default()
        };
        assert!(line(&status).len() <= LINE, "{}", line(&status).len());
        assert_eq!(shortened("\u{e4}".repeat(TEXT)).len(), TEXT);
    }
}
