//! What a worker uses, as the kernel says: proc_pid_stat(5). Everybody may read it, whoever the worker runs as.

use rustix::param::{clock_ticks_per_second, page_size};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

/// A look at a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// User and system time, in clock ticks.
    ticks: u64,
    /// When it was started, in clock ticks since the machine was: with the number, who it is.
    started: u64,
    pub memory_bytes: u64,
}

/// What is known of a worker's use of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Use {
    last: Option<(Look, Instant)>,
    pub cpu_permille: Option<u32>,
    pub memory_bytes: Option<u64>,
}

impl Use {
    /// Takes a look in. One at another process of the same number says nothing.
    pub(super) fn take(&mut self, look: Option<Look>, now: Instant) {
        let same = |(last, _): &(Look, Instant)| look.is_some_and(|look| look.started == last.started);
        let Some(look) = look.filter(|_| self.last.as_ref().is_none_or(same)) else {
            (self.cpu_permille, self.memory_bytes) = (None, None);
            return;
        };
        if let Some((last, since)) = self.last {
            self.cpu_permille = permille(look.ticks.saturating_sub(last.ticks), now.duration_since(since).as_millis());
        }
        self.memory_bytes = Some(look.memory_bytes);
        self.last = Some((look, now));
    }

    /// Whether enough time has passed for another look to say something: ticks are 10 ms on most machines.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        self.last.is_none_or(|(_, since)| now.duration_since(since).as_millis() >= 500)
    }
}

fn permille(ticks: u64, millis: u128) -> Option<u32> {
    let cpu_millis = u128::from(ticks) * 1000 / u128::from(clock_ticks_per_second());
    u32::try_from((cpu_millis * 1000).checked_div(millis)?).ok()
}

/// A look at a process of this number; `None` where there is none, or it can't be seen.
pub(super) fn look(pid: u32) -> Option<Look> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, page_size() as u64)
}

/// Fields are counted behind the name, which may hold anything, brackets too.
fn parse(stat: &str, page: u64) -> Option<Look> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    // The numbers of proc_pid_stat(5), less the three that `rest` begins behind.
    let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
    Some(Look { ticks: field(14)? + field(15)?, started: field(22)?, memory_bytes: field(24)? * page })
}

/// The number of the process behind a pidfd, as this process sees it (pidfd_open(2), proc_pid_fdinfo(5)).
pub(super) fn pid_of(pidfd: &OwnedFd) -> Option<u32> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    // -1: it has been reaped.
    info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn this_process_is_seen() {
        let me = look(std::process::id()).unwrap();
        assert!(me.memory_bytes > 1 << 20 && me.started > 0, "{me:?}");
        assert_eq!(look(0), None);
    }

    #[test]
    fn a_name_with_brackets_and_blanks_moves_no_field() {
        let stat = "7 (a) R 1 (b) S 1 7 7 0 -1 4194560 1 2 3 4 30 12 0 0 20 0 1 0 4711 1000 25 18446744073709551615\n";
        assert_eq!(parse(stat, 4096), Some(Look { ticks: 42, started: 4711, memory_bytes: 25 * 4096 }));
    }

    #[test]
    fn use_is_what_was_used_since_the_last_look() {
        let (mut used, start) = (Use::default(), Instant::now());
        let look = |ticks, started| Some(Look { ticks, started, memory_bytes: 9 });
        used.take(look(0, 1), start);
        assert_eq!((used.cpu_permille, used.memory_bytes), (None, Some(9)));
        used.take(look(clock_ticks_per_second(), 1), start + Duration::from_secs(2));
        assert_eq!(used.cpu_permille, Some(500));
        // Another process under the same number.
        used.take(look(5000, 2), start + Duration::from_secs(4));
        assert_eq!((used.cpu_permille, used.memory_bytes), (None, None));
    }
}
