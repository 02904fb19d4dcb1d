//! How many processors a compiler has.

use rustix::thread::sched_getaffinity;
use std::sync::OnceLock;

/// Threads of a compiler: as many as there are processors, less where a cgroup gives less than all of them. Looked up once, and
/// only where something is compiled: it takes several files of /proc and of the cgroup.
pub(super) fn compiler_threads() -> u32 {
    static THREADS: OnceLock<u32> = OnceLock::new();
    let processors =
        || std::thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(1));
    // More than the spawner was told of are beyond its floor.
    *THREADS.get_or_init(|| processors().min(compiler_threads_max()))
}

/// The most threads that a compiler may have, by one system call: the processors that this process may run on.
pub(super) fn compiler_threads_max() -> u32 {
    static THREADS: OnceLock<u32> = OnceLock::new();
    *THREADS.get_or_init(|| sched_getaffinity(None).map_or(1, |processors| processors.count().max(1)))
}
