//! The walls: one kernel mechanism a file, each with one entry function; [`steps`] says in which order they rise.
//!
//! Must not: decide who gets which wall (that is the plan's), know of each other, or go on after a failure.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::cast_sign_loss))]

pub mod capabilities;
pub mod cgroup;
pub mod code;
pub mod descriptors;
pub mod directories;
pub mod identity;
pub mod landlock;
pub mod namespaces;
pub mod rlimits;
pub mod root;
pub mod seccomp;
pub mod steps;

use sandhog_protocol::causes;
use sandhog_protocol::worker::SealFailure;

/// An error of a mechanism as the plain data that crosses a process's border.
pub fn failure(step: &str, error: &(dyn std::error::Error + 'static)) -> SealFailure {
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
