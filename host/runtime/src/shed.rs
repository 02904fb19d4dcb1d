//! The things that a daemon in the background inherits from its caller and drops at its start: umask, priorities, limits,
//! cgroup. It reports those that it can't drop.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit, umask};
use rustix::thread::{CpuSet, sched_setaffinity};
use sandhog_sandbox::cgroup::{self, Nature};
use sandhog_spec::units::print_size;
use sandhog_sys::priority;
use sandhog_sys::process::SingleThreaded;
use std::io;

/// Files that guests make in their directories are everybody's to read, as of services of systemd's (systemd.exec(5),
/// `UMask=`). Sandhog's own files name their modes.
const UMASK: Mode = Mode::from_raw_mode(0o022);

/// RLIMIT_NOFILE: systemd's default for services (systemd-system.conf(5)), where this process may have that many.
const FILES: u64 = 512 << 10;

/// Fewer open files than this are worth a word: the kernel's own default for the hard limit.
const FEW_FILES: u64 = 4096;

/// linux/ioprio.h: the class that is served when nobody else wants the disk.
const IO_IDLE: u32 = 3;

/// Sheds all that can be shed; what stays, in words for the log.
pub fn shed(_: &SingleThreaded) -> Vec<String> {
    umask(UMASK);
    // All that the machine has; the kernel leaves out what its cpuset does not allow.
    let affinity = sched_setaffinity(None, &every_processor());
    let mut kept = Vec::new();
    kept.extend(affinity.err().map(|errno| format!("the processors that it may use ({})", io::Error::from(errno))));
    kept.extend(shed_policy());
    kept.extend(shed_nice());
    kept.extend(shed_io_class());
    kept.extend(shed_oom_score());
    kept.extend(shed_limits());
    kept.extend(shed_cgroups());
    kept
}

fn every_processor() -> CpuSet {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|number| all.set(number));
    all
}

fn shed_policy() -> Option<String> {
    let policy = priority::policy().unwrap_or(libc::SCHED_OTHER);
    let ordinary = if policy == libc::SCHED_OTHER { Ok(()) } else { priority::be_ordinary() };
    ordinary.err().map(|error| format!("scheduling policy {policy} ({error})"))
}

fn shed_nice() -> Option<String> {
    let nice = getpriority_process(None).unwrap_or(0);
    let ordinary = if nice == 0 { Ok(()) } else { setpriority_process(None, 0) };
    ordinary.err().map(|errno| format!("nice value {nice} ({})", io::Error::from(errno)))
}

fn shed_io_class() -> Option<String> {
    let class = priority::io_class().unwrap_or(0);
    // For an idle process the kernel says so without any class having been set.
    let ordinary = if class == 0 { Ok(()) } else { priority::be_ordinary_in_io() };
    let is_idle = || priority::io_class().is_ok_and(|class| class == IO_IDLE);
    ordinary.err().filter(|_| is_idle()).map(|error| format!("the I/O priority of idle processes ({error})"))
}

/// Source: proc_pid_oom_score_adj(5). Less than what it was given last with CAP_SYS_RESOURCE takes that right.
fn shed_oom_score() -> Option<String> {
    const FILE: &str = "/proc/self/oom_score_adj";
    let score = std::fs::read_to_string(FILE).unwrap_or_default();
    let score = score.trim();
    let ordinary = if matches!(score, "" | "0") { Ok(()) } else { std::fs::write(FILE, "0") };
    ordinary.err().map(|error| format!("oom_score_adj {score} ({error})"))
}

/// Hard limits; the soft ones are raised to them by every command.
fn shed_limits() -> impl Iterator<Item = String> {
    let limits = [
        (Resource::Cpu, "RLIMIT_CPU", None),
        (Resource::Fsize, "RLIMIT_FSIZE", None),
        (Resource::As, "RLIMIT_AS", None),
        (Resource::Data, "RLIMIT_DATA", None),
        (Resource::Nproc, "RLIMIT_NPROC", None),
        (Resource::Nofile, "RLIMIT_NOFILE", Some(FILES)),
    ];
    limits.into_iter().filter_map(|(resource, name, wanted)| {
        let hard = getrlimit(resource).maximum?;
        if wanted.is_some_and(|wanted| hard >= wanted) {
            return None;
        }
        let errno = setrlimit(resource, Rlimit { current: wanted, maximum: wanted }).err()?;
        is_worth_a_word(resource, hard)
            .then(|| format!("{name} of {} ({})", amount(resource, hard), io::Error::from(errno)))
    })
}

/// Most machines limit processes and open files of everybody, and nobody has to hear of it.
fn is_worth_a_word(resource: Resource, hard: u64) -> bool {
    resource != Resource::Nproc && (resource != Resource::Nofile || hard < FEW_FILES)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kernel has more limits than are shed; the rest of these are counts"
)]
fn amount(resource: Resource, hard: u64) -> String {
    match resource {
        Resource::Cpu => format!("{hard}s"),
        Resource::Fsize | Resource::As | Resource::Data => print_size(hard),
        _ => hard.to_string(),
    }
}

fn shed_cgroups() -> Vec<String> {
    let kept = match cgroup::leave() {
        Ok(kept) => kept,
        Err(error) => return vec![format!("perhaps a cgroup ({error})")],
    };
    kept.into_iter().map(|kept| in_words(&kept)).collect()
}

fn in_words(cgroup::Kept { path, nature, cause }: &cgroup::Kept) -> String {
    let what = match nature {
        Nature::Session => "that of a login session, so that logging out may end the daemon",
        Nature::Unit => "a unit of the service manager's, so that the daemon may end with it",
        Nature::Other => "whose limits hold",
    };
    format!("the cgroup {}, {what} ({cause})", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_that_stays_is_told_with_what_follows() {
        let kept = |path: &str, nature, cause| in_words(&cgroup::Kept { path: path.into(), nature, cause });
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(
            kept("/user.slice/session-3.scope", Nature::Session, denied()),
            "the cgroup /user.slice/session-3.scope, that of a login session, so that logging out may end the daemon \
             (permission denied)"
        );
        assert_eq!(
            kept("/a.scope", Nature::Unit, denied()),
            "the cgroup /a.scope, a unit of the service manager's, so that the daemon may end with it (permission denied)"
        );
        assert_eq!(kept("/ci", Nature::Other, denied()), "the cgroup /ci, whose limits hold (permission denied)");
    }
}
