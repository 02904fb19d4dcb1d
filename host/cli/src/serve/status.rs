//! How this command is, for `sandhog ps --all`.

use crate::status_socket::{self, Listening, shortened};
use sandhog_protocol::pool_status::Command;
use sandhog_protocol::serve_status::ServeStatus;
use sandhog_serve::dispatcher::Dispatcher;
use sandhog_serve::numbers::Numbers;
use sandhog_spec::job::Job;
use sandhog_spec::units::micros;
use sandhog_sys::clock;
use std::net::SocketAddr;

/// Lets this command be asked, which serves from now on.
pub(super) fn listen(dispatcher: &Dispatcher, job: &Job, addresses: &[SocketAddr]) -> Option<Listening> {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let common = ServeStatus {
        command: Command::Serve,
        job: shortened(job.name.clone()),
        module: shortened(job.module.to_string_lossy().into_owned()),
        address: shortened(addresses.join(", ")),
        since_ms: clock::now_ms(),
        ..ServeStatus::default()
    };
    let dispatcher = dispatcher.clone();
    status_socket::listen(move || of_now(&common, &dispatcher.numbers()))
}

fn of_now(common: &ServeStatus, numbers: &Numbers) -> ServeStatus {
    ServeStatus {
        workers: numbers.workers.into(),
        connections: numbers.connections.saturating_add(numbers.waiting),
        waiting: numbers.waiting,
        requests: numbers.requests,
        errors: numbers.failed.saturating_add(numbers.late),
        rate_milli: numbers.rate_milli(),
        in_flight: numbers.in_flight,
        p50_us: numbers.p50.map(micros),
        p99_us: numbers.p99.map(micros),
        ..common.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::pool_status::{LINE, TEXT};

    #[test]
    fn the_longest_line_is_below_the_limit_whatever_is_in_its_texts() {
        let text = shortened("\u{1}".repeat(2 * TEXT));
        let most = Some(u64::MAX);
        let status = ServeStatus {
            command: Command::Serve,
            job: text.clone(),
            module: text,
            // Digits, dots and colons.
            address: "1".repeat(TEXT),
            since_ms: u64::MAX,
            workers: u64::MAX,
            connections: u64::MAX,
            waiting: u64::MAX,
            requests: u64::MAX,
            errors: u64::MAX,
            rate_milli: u64::MAX,
            in_flight: u64::MAX,
            p50_us: most,
            p99_us: most,
        };
        let length = status_socket::line(&status).len();
        assert!(length <= LINE, "{length}");
    }
}
