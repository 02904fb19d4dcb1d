//! Sockets that systemd passes: sd_listen_fds(3), by its two variables.
//!
//! Must not: open, close or look at a descriptor.

use std::ops::Range;
use std::os::fd::RawFd;

/// The first one is that of this number (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

/// More than anybody passes: what is beyond is a variable that means something else.
const MOST: u32 = 1024;

/// Why the variables can't be followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("LISTEN_PID is {0:?}, which is no process id")]
    Pid(String),
    #[error("LISTEN_FDS is {0:?}, which is no number from 0 to {MOST}")]
    Count(String),
}

/// The descriptors that were passed to the process `own`, by `LISTEN_PID` and `LISTEN_FDS`. None of them where the variables are
/// missing or are another process's.
///
/// # Errors
/// They are not what the manual page says.
pub fn passed(pid: Option<&str>, count: Option<&str>, own: u32) -> Result<Range<RawFd>, Wrong> {
    let (Some(pid), Some(count)) = (pid, count) else { return Ok(FIRST..FIRST) };
    if pid.parse::<u32>().map_err(|_| Wrong::Pid(pid.into()))? != own {
        return Ok(FIRST..FIRST);
    }
    let wrong = || Wrong::Count(count.into());
    let number = count.parse::<u32>().ok().filter(|number| *number <= MOST).ok_or_else(wrong)?;
    Ok(FIRST..FIRST + RawFd::try_from(number).map_err(|_| wrong())?)
}

/// The same of this process, by its own variables. `sandhog_sys::descriptors::inherited` takes each over.
///
/// # Errors
/// As [`passed`].
pub fn of_this_process() -> Result<Range<RawFd>, Wrong> {
    let variable = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    passed(variable("LISTEN_PID").as_deref(), variable("LISTEN_FDS").as_deref(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_this_process_begin_with_3() {
        assert_eq!(passed(Some("17"), Some("2"), 17), Ok(3..5));
        assert_eq!(passed(Some("17"), Some("0"), 17), Ok(3..3));
    }

    #[test]
    fn those_of_another_process_are_none_of_ours() {
        assert_eq!(passed(Some("16"), Some("2"), 17), Ok(3..3));
        assert_eq!(passed(None, Some("2"), 17), Ok(3..3));
        assert_eq!(passed(Some("17"), None, 17), Ok(3..3));
    }

    #[test]
    fn variables_that_mean_something_else_are_an_error() {
        assert_eq!(passed(Some("own"), Some("2"), 17), Err(Wrong::Pid("own".into())));
        for count in ["-1", "two", "", "1025", "99999999999"] {
            assert_eq!(passed(Some("17"), Some(count), 17), Err(Wrong::Count(count.into())));
        }
    }
}
