//! The limits of this process and its children by getrlimit(2): soft limits are raised to the hard ones, and a hard limit
//! that is too low is reported before anything fails because of it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandhog_spec::units::{print_duration, print_size};
use std::time::Duration;

/// RLIMIT_AS: measured, a worker can't instantiate a module in less (the engine reserves addresses that it never touches).
const ADDRESSES: u64 = 6 << 30;

/// RLIMIT_NOFILE: a run with its spawner, streams and a few directories has some 40 open.
const FILES: u64 = 128;

/// RLIMIT_STACK: Linux's own default. It is raised no further, since an unlimited one changes the layout of addresses.
const STACK: u64 = 8 << 20;

/// RLIMIT_STACK that the command itself needs: 64 KiB are overrun by the parser of its arguments (measured).
const MIN_STACK: u64 = 1 << 20;

/// RLIMIT_DATA that the command itself needs, before any job: its heap and its threads.
const MIN_DATA: u64 = 64 << 20;

/// How long before a hard limit of CPU time a worker ends by itself, so that it can say why. The kernel looks at each tick of
/// its clock, 10 ms at the most.
const BEFORE_CPU: Duration = Duration::from_millis(100);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{name} (ulimit -{letter}) is {has}, and Sandhog needs {needs}: start it with a higher hard limit")]
    TooLow { name: &'static str, letter: char, has: String, needs: String },
    #[error("RLIMIT_CPU (ulimit -t) is {has}, and a daemon has no end: start it without that limit")]
    Ends { has: String },
}

/// Raises what may be raised.
pub fn raise() {
    let all = [Resource::Nofile, Resource::As, Resource::Data, Resource::Cpu, Resource::Fsize, Resource::Nproc];
    for resource in all.into_iter().chain([Resource::Memlock]) {
        let hard = getrlimit(resource).maximum;
        // Up to the hard limit everybody may.
        let _ = setrlimit(resource, Rlimit { current: hard, maximum: hard });
    }
    let stack = getrlimit(Resource::Stack);
    let wanted = stack.maximum.map_or(STACK, |hard| hard.min(STACK));
    if stack.current.is_some_and(|soft| soft < wanted) {
        let _ = setrlimit(Resource::Stack, Rlimit { current: Some(wanted), ..stack });
    }
}

/// Whether enough is left for any job.
///
/// # Errors
/// The first limit that is too low.
pub fn check() -> Result<(), Error> {
    let hard = |resource| getrlimit(resource).maximum;
    check_addresses(hard(Resource::As)).and_then(|()| check_files(hard(Resource::Nofile)))
}

/// Whether enough is left for the command itself, whatever it is to do.
///
/// # Errors
/// The first limit that is too low.
pub fn check_own() -> Result<(), Error> {
    let needed = [(Resource::Stack, "RLIMIT_STACK", 's', MIN_STACK), (Resource::Data, "RLIMIT_DATA", 'd', MIN_DATA)];
    needed.into_iter().try_for_each(|(resource, name, letter, needs)| match getrlimit(resource).maximum {
        Some(has) if has < needs => Err(Error::TooLow { name, letter, has: print_size(has), needs: print_size(needs) }),
        Some(_) | None => Ok(()),
    })
}

fn check_addresses(hard: Option<u64>) -> Result<(), Error> {
    match hard {
        Some(has) if has < ADDRESSES => {
            Err(Error::TooLow { name: "RLIMIT_AS", letter: 'v', has: print_size(has), needs: print_size(ADDRESSES) })
        }
        Some(_) | None => Ok(()),
    }
}

fn check_files(hard: Option<u64>) -> Result<(), Error> {
    match hard {
        Some(has) if has < FILES => {
            Err(Error::TooLow { name: "RLIMIT_NOFILE", letter: 'n', has: has.to_string(), needs: FILES.to_string() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a daemon may run for as long as it likes.
///
/// # Errors
/// [`Error::Ends`].
pub fn check_for_daemon() -> Result<(), Error> {
    match getrlimit(Resource::Cpu).maximum {
        Some(seconds) => Err(Error::Ends { has: print_duration(Duration::from_secs(seconds)) }),
        None => Ok(()),
    }
}

/// What a process may use of CPU time and still say why it ended; None: the kernel sets no limit.
pub fn cpu() -> Option<Duration> {
    getrlimit(Resource::Cpu).maximum.map(|seconds| Duration::from_secs(seconds).saturating_sub(BEFORE_CPU))
}

/// That a limit of CPU time is this process's own, where that is so.
pub fn cpu_in_words(limit: &str) -> Option<String> {
    let seconds = getrlimit(Resource::Cpu).maximum?;
    let is_own = cpu().is_some_and(|max| print_duration(max) == limit);
    is_own.then(|| format!("RLIMIT_CPU (ulimit -t) is {seconds}s: start sandhog with a higher hard limit"))
}

/// The longest file that this process may write, in bytes; None: the kernel sets no limit.
pub fn file_size() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// That files may not be longer, where that is so.
pub fn file_size_in_words() -> Option<String> {
    getrlimit(Resource::Fsize).maximum.map(|bytes| format!("RLIMIT_FSIZE (ulimit -f) is {}", print_size(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_named_with_what_is_needed() {
        assert_eq!(check_addresses(None), Ok(()));
        assert_eq!(check_addresses(Some(6 << 30)), Ok(()));
        assert_eq!(
            check_addresses(Some(3_000_000 << 10)).unwrap_err().to_string(),
            "RLIMIT_AS (ulimit -v) is 3000000KiB, and Sandhog needs 6GiB: start it with a higher hard limit"
        );
        assert_eq!(check_files(Some(128)), Ok(()));
        assert_eq!(
            check_files(Some(64)).unwrap_err().to_string(),
            "RLIMIT_NOFILE (ulimit -n) is 64, and Sandhog needs 128: start it with a higher hard limit"
        );
    }
}
