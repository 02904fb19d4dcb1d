//! The guest's limits: linear memories, tables, fuel. Time is `sys::timer`'s.

use sandhog_protocol::verdict::MemoryWall;
use sandhog_sys::last_words;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasmtime::{ResourceLimiter, Store};

/// Most elements of all tables together. Each takes 8 bytes of the worker's own memory; the largest real
/// modules have some ten thousand.
pub(super) const TABLE_ELEMENTS: usize = 10_000_000;

/// How many of each a component may have: one for each part that it was put together from, and one for each adapter. A
/// program in Python, linked from a hundred libraries, has some 120 instances, three memories and a table for each library.
const COMPONENT_PARTS: Parts = Parts { instances: 1000, memories: 32, tables: 256 };

/// One module, and what it may declare: the engine's own bounds.
const MODULE_PARTS: Parts = Parts { instances: 1, memories: 10_000, tables: 10_000 };

#[derive(Clone, Copy, Debug)]
struct Parts {
    instances: usize,
    memories: usize,
    tables: usize,
}

/// Keeps the account of a guest's memories. A refused `memory.grow` returns -1 to the guest, which may live
/// with it: it is only remembered.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit_bytes: usize,
    used_bytes: usize,
    peak_bytes: usize,
    /// What the last growth added, so that it can be taken back where the engine could not carry it out.
    pending_bytes: usize,
    table_elements: usize,
    refused: Option<Refused>,
    parts: Parts,
    share: Option<Share>,
}

/// The memories of all guests of an attempt that run at the same time, beside the limit of each.
#[derive(Debug)]
pub(crate) struct Total {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
}

impl Total {
    pub(crate) fn new(memory_bytes: u64) -> Self {
        let limit_bytes = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        Self { limit_bytes, used_bytes: AtomicUsize::new(0), peak_bytes: AtomicUsize::new(0) }
    }

    /// All memories together at their largest, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.peak_bytes.load(Ordering::Relaxed) as u64
    }

    /// Whether there is room for so much more.
    fn take(&self, bytes: usize) -> bool {
        let take = |used: usize| used.checked_add(bytes).filter(|wanted| *wanted <= self.limit_bytes);
        match self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(before) => {
                self.peak_bytes.fetch_max(before + bytes, Ordering::Relaxed);
                true
            }
            Err(_) => false,
        }
    }

    fn give_back(&self, bytes: usize) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One guest's part in it, given back when its memories are no more.
#[derive(Debug)]
struct Share {
    total: Arc<Total>,
    bytes: usize,
}

impl Share {
    fn take(&mut self, bytes: usize) -> bool {
        let taken = self.total.take(bytes);
        if taken {
            self.bytes += bytes;
        }
        taken
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.total.give_back(bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.total.give_back(self.bytes);
    }
}

/// What a guest was refused last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It would have had this many bytes in all its memories.
    Memory { wall: MemoryWall, wanted_bytes: usize },
    /// It would have had this many elements in all its tables.
    Table { wanted: usize },
}

impl Limiter {
    /// At most `memory_bytes` in all linear memories together, which includes the heap of a guest that uses
    /// garbage collection, and [`TABLE_ELEMENTS`] in all tables.
    pub(super) fn new(memory_bytes: u64) -> Self {
        Self {
            limit_bytes: usize::try_from(memory_bytes).unwrap_or(usize::MAX),
            used_bytes: 0,
            peak_bytes: 0,
            pending_bytes: 0,
            table_elements: 0,
            refused: None,
            parts: MODULE_PARTS,
            share: None,
        }
    }

    /// The same for a component, which consists of several modules.
    pub(super) fn of_component(memory_bytes: u64) -> Self {
        Self { parts: COMPONENT_PARTS, ..Self::new(memory_bytes) }
    }

    /// The same for one of several that run at the same time: no more than all of them together may have.
    pub(super) fn of_instance(memory_bytes: u64, total: &Arc<Total>) -> Self {
        Self { share: Some(Share { total: Arc::clone(total), bytes: 0 }), ..Self::of_component(memory_bytes) }
    }

    /// For the next of several instances one after the other: nothing is used, but the peak is the attempt's.
    pub(super) fn again(&self) -> Self {
        Self { peak_bytes: self.peak_bytes, parts: self.parts, ..Self::new(self.limit_bytes as u64) }
    }

    /// All memories now, in bytes.
    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes as u64
    }

    pub(super) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// The memories at their largest, in bytes.
    pub(super) fn peak_bytes(&self) -> u64 {
        self.peak_bytes as u64
    }

    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    fn refuse_memory(&mut self, wall: MemoryWall, wanted_bytes: usize) {
        self.refused = Some(Refused::Memory { wall, wanted_bytes });
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.pending_bytes = 0;
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The module's own limit, not ours: nothing to remember.
            return Ok(false);
        }
        let more = desired.saturating_sub(current);
        let wanted = self.used_bytes.saturating_add(more);
        if wanted > self.limit_bytes || !self.share.as_mut().is_none_or(|share| share.take(more)) {
            self.refuse_memory(MemoryWall::Engine, wanted);
            return Ok(false);
        }
        self.pending_bytes = more;
        self.used_bytes = wanted;
        self.peak_bytes = self.peak_bytes.max(wanted);
        last_words::note_peak(self.share.as_ref().map_or(self.peak_bytes(), |share| share.total.peak_bytes()));
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        if self.pending_bytes > 0 {
            self.refuse_memory(MemoryWall::Data, self.used_bytes);
            self.used_bytes -= self.pending_bytes;
            self.share.iter_mut().for_each(|share| share.give_back(self.pending_bytes));
            self.pending_bytes = 0;
        }
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let wanted = self.table_elements.saturating_add(desired.saturating_sub(current));
        if wanted > TABLE_ELEMENTS {
            self.refused = Some(Refused::Table { wanted });
            return Ok(false);
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.parts.instances
    }

    fn memories(&self) -> usize {
        self.parts.memories
    }

    fn tables(&self) -> usize {
        self.parts.tables
    }
}

/// Gives the guest its fuel. Without a limit, a module that was compiled with the counter gets as much as there is.
///
/// # Errors
/// The engine's own, where the module was compiled without the counter.
pub(super) fn give_fuel<T>(store: &mut Store<T>, counts_fuel: bool, fuel: Option<u64>) -> wasmtime::Result<()> {
    if counts_fuel || fuel.is_some() {
        store.set_fuel(fuel.unwrap_or(u64::MAX))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 65_536;

    #[test]
    fn all_memories_together_stay_below_the_limit() {
        let mut limiter = Limiter::new(3 * PAGE as u64);
        assert!(limiter.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(!limiter.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(limiter.memory_growing(0, PAGE, None).unwrap());
        assert!(!limiter.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        assert_eq!(limiter.peak_bytes(), 3 * PAGE as u64);
    }

    #[test]
    fn a_refusal_is_remembered_with_what_was_wanted() {
        let mut limiter = Limiter::new(PAGE as u64);
        assert!(!limiter.memory_growing(0, 5 * PAGE, None).unwrap());
        assert_eq!(limiter.refused(), Some(Refused::Memory { wall: MemoryWall::Engine, wanted_bytes: 5 * PAGE }));
    }

    #[test]
    fn what_the_module_forbids_itself_is_no_refusal_of_ours() {
        let mut limiter = Limiter::new(PAGE as u64);
        assert!(!limiter.memory_growing(0, 5 * PAGE, Some(4 * PAGE)).unwrap());
        assert_eq!(limiter.refused(), None);
    }

    #[test]
    fn a_growth_that_the_kernel_refused_is_taken_back() {
        let mut limiter = Limiter::new(8 * PAGE as u64);
        assert!(limiter.memory_growing(0, PAGE, None).unwrap());
        assert!(limiter.memory_growing(PAGE, 8 * PAGE, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("mprotect")).unwrap();
        assert_eq!(limiter.refused(), Some(Refused::Memory { wall: MemoryWall::Data, wanted_bytes: 8 * PAGE }));
        assert!(limiter.memory_growing(PAGE, 8 * PAGE, None).unwrap());
    }

    #[test]
    fn guests_at_the_same_time_have_no_more_than_all_may_together_and_give_it_back() {
        let total = Arc::new(Total::new(3 * PAGE as u64));
        let [mut one, mut other] = [0; 2].map(|_| Limiter::of_instance(2 * PAGE as u64, &total));
        assert!(one.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(!other.memory_growing(0, 2 * PAGE, None).unwrap());
        assert_eq!(other.refused(), Some(Refused::Memory { wall: MemoryWall::Engine, wanted_bytes: 2 * PAGE }));
        assert!(other.memory_growing(0, PAGE, None).unwrap());
        assert!(!other.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        drop(one);
        assert!(other.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        other.memory_grow_failed(wasmtime::Error::msg("mprotect")).unwrap();
        assert_eq!((other.used_bytes(), total.used_bytes.load(Ordering::Relaxed)), (PAGE as u64, PAGE));
        assert_eq!(total.peak_bytes(), 3 * PAGE as u64);
    }

    #[test]
    fn a_failure_that_follows_no_growth_changes_nothing() {
        let mut limiter = Limiter::new(8 * PAGE as u64);
        limiter.memory_grow_failed(wasmtime::Error::msg("beyond the type's limit")).unwrap();
        assert_eq!(limiter.refused(), None);
    }

    #[test]
    fn all_tables_together_stay_below_ten_million_elements() {
        let mut limiter = Limiter::new(0);
        assert!(limiter.table_growing(0, TABLE_ELEMENTS, None).unwrap());
        assert!(!limiter.table_growing(0, 1, None).unwrap());
        assert_eq!(limiter.refused(), Some(Refused::Table { wanted: TABLE_ELEMENTS + 1 }));
    }
}
