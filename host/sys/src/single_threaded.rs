//! The proof that a process has one thread, for whatever may be called only then.
//!
//! Must not: count threads. It is given out once, and whoever starts a thread drops it first.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

/// Proof that this process has one thread, so that a fork copies no lock that another thread holds.
///
/// There is one at the start of `main`; whoever wants threads drops it first. It can't leave its thread.
pub struct SingleThreaded {
    stays_on_its_thread: PhantomData<*const ()>,
}

impl SingleThreaded {
    /// The proof, once, for the first line of `main`; `None` ever after.
    pub fn claim() -> Option<Self> {
        static CLAIMED: AtomicBool = AtomicBool::new(false);
        (!CLAIMED.swap(true, Ordering::SeqCst)).then_some(Self { stays_on_its_thread: PhantomData })
    }
}
