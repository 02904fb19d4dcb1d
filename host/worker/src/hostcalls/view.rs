//! The functions' view of a store's data.
//!
//! Must not: know a function.

use crate::session::Session;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use wasmtime::component::{ComponentType, Lower, ResourceTable};

/// Most handles of one guest at a time, WASI's included: above the largest `--max-files`' worth of children with all their
/// ends, low enough that the table stays small beside the guest's own.
pub(crate) const HANDLES: usize = 100_000;

/// What the functions need of a store's data.
pub(crate) trait View {
    /// Its parts, at once.
    fn parts(&mut self) -> Parts<'_>;

    /// The same, to be looked at: while the guest's memory is, too.
    fn seen(&self) -> Seen<'_>;

    /// The guest's linear memories.
    fn memory(&self) -> MemoryUse;

    /// Set each time that the guest has come back only to wait in one of the functions, where somebody wants to know.
    fn busy(&self) -> Option<Arc<AtomicBool>> {
        None
    }
}

/// See [`View`].
pub(crate) struct Parts<'a> {
    pub session: &'a mut Session,
    /// With at most [`HANDLES`], see [`ResourceTable::set_max_capacity`].
    pub table: &'a mut ResourceTable,
}

/// [`Parts`] that nothing changes.
pub(crate) struct Seen<'a> {
    pub session: &'a Session,
    pub table: &'a ResourceTable,
}

/// Memory, in bytes: `process.memory-use`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub(crate) struct MemoryUse {
    pub used: u64,
    pub peak: u64,
    pub limit: u64,
}

/// The same parts, for a core module that imports objects.
pub(crate) struct Sharing {
    session: Session,
    table: ResourceTable,
}

impl Sharing {
    pub(crate) fn new(session: Session) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self { session, table }
    }

    #[inline]
    pub(super) fn parts(&mut self) -> Parts<'_> {
        Parts { session: &mut self.session, table: &mut self.table }
    }
}
