//! The one runtime of a worker: timers, and threads for what else would stop a guest that waits for several things.
//!
//! It has no event loop for descriptors (epoll), which would cost a few of them for each worker, and calls that no other worker
//! needs. A thread waits for a stream instead, and only where a guest waits for it beside something else: see [`super::stdio`].
//! A worker that serves has one, for its clients. It is built in the worker, behind its walls; a zygote never has one.

use sandhog_sys::signal;
use std::{io, time::Duration};
use tokio::runtime::{Builder, Runtime};

/// Most threads beside the guest's own: one for each of three streams, two for files. What would need more of them waits
/// until one is free. `runtime::plan` counts them among the tasks of a worker.
const THREADS: usize = 5;

/// The stack of such a thread, in bytes: it makes one system call on files.
const STACK: usize = 256 << 10;

/// How long a thread without work stays. A guest that waits again soon finds it there.
const IDLE: Duration = Duration::from_secs(10);

/// Builds it. No thread is started before there is work for one.
///
/// # Errors
/// What the system says; there is nothing that it has to say where no descriptor is needed.
pub(super) fn build() -> io::Result<Runtime> {
    builder().build()
}

/// The same with an event loop, for a worker that serves: its filter has the calls.
///
/// # Errors
/// What the system says: EMFILE.
pub(super) fn build_for_clients() -> io::Result<Runtime> {
    builder().enable_io().build()
}

fn builder() -> Builder {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_time()
        .max_blocking_threads(THREADS)
        .thread_stack_size(STACK)
        .thread_keep_alive(IDLE)
        .thread_name("sandhog-waits")
        // Limits of time are for the guest's own thread, one after the other.
        .on_thread_start(signal::block_all);
    builder
}

/// Does `work` in a thread of the runtime that this is called in; nobody waits for its end.
pub(super) fn aside(work: impl FnOnce() + Send + 'static) {
    drop(tokio::task::spawn_blocking(work));
}
