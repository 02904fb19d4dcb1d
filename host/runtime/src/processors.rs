//! How many processors a compiler has.

use std::sync::OnceLock;

/// Threads of a compiler: as many as there are processors. Looked up once: more of them later would be beyond what the spawner
/// was told.
pub(super) fn compiler_threads() -> u32 {
    static THREADS: OnceLock<u32> = OnceLock::new();
    let processors =
        || std::thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(1));
    *THREADS.get_or_init(processors)
}
