//! Whether the two ends of a connection can run at the same time.

use rustix::thread::sched_getaffinity;
use std::sync::OnceLock;

static SEVERAL: OnceLock<bool> = OnceLock::new();

/// Has receivers of this process look for the next packet before they sleep, where packets come quickly one after the other, and
/// where this process may run on more than one processor. One system call, the first time; a process that has been sealed may
/// not make it.
pub fn look_before_sleeping() {
    SEVERAL.get_or_init(|| sched_getaffinity(None).is_ok_and(|processors| processors.count() > 1));
}

/// Whether looking can pay. No where nobody has asked for it.
pub(crate) fn are_several() -> bool {
    SEVERAL.get().is_some_and(|several| *several)
}
