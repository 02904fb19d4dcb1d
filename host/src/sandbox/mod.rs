//! The walls: one kernel mechanism a file, each with one entry function; [`steps`] says in which order they rise.
//!
//! Must not: decide who gets which wall (that is the plan's), know of each other, or go on after a failure.

pub(crate) mod capabilities;
pub(crate) mod cgroup;
pub(crate) mod code;
pub(crate) mod descriptors;
pub(crate) mod directories;
pub(crate) mod identity;
pub(crate) mod landlock;
pub(crate) mod namespaces;
pub(crate) mod rlimits;
pub(crate) mod root;
pub(crate) mod seccomp;
pub(crate) mod steps;

use sandhog_protocol::causes;
use sandhog_protocol::worker::SealFailure;

/// An error of a mechanism as the plain data that crosses a process's border.
pub(crate) fn failure(step: &str, error: &(dyn std::error::Error + 'static)) -> SealFailure {
    SealFailure { step: step.into(), errno: errno_of(error), what: causes::one_line(error) }
}

/// The kernel's error number at the root of an error, 0 where there is none.
fn errno_of(error: &(dyn std::error::Error + 'static)) -> i32 {
    causes::chain(error)
        .filter_map(|error| {
            let io = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
            io.or_else(|| error.downcast_ref::<rustix::io::Errno>().map(|errno| errno.raw_os_error()))
        })
        .last()
        .unwrap_or(0)
}
