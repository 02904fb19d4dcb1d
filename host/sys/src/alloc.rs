//! The system's allocator, which speaks up when it has nothing left to give: see [`last_words`].

use crate::last_words;
use std::alloc::{GlobalAlloc, Layout, System};

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: every call is handed to `System` as it came and its answer is handed back as it is; where
// that answer is null, `last_words` either ends the process or returns without touching any memory.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds `alloc`'s contract, which is `System`'s.
        heard(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as `alloc`.
        heard(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller upholds `realloc`'s contract, which is `System`'s; all memory here is `System`'s.
        heard(unsafe { System.realloc(memory, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as `realloc`.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Tells the system's allocator to keep what is freed, for a process that ends soon. So it never shrinks
/// a thread's heap, before which the C library reads a file in /proc that no confined process may open.
pub fn keep_what_is_freed() {
    // SAFETY: sets a number inside the allocator; no other thread runs yet, which `compile` of `sandhog-compiler` upholds.
    unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, -1) };
}

/// Tells the system's allocator to serve all threads from one heap, where few threads make few allocations. A heap of its
/// own would cost each thread 64 MiB of addresses, and to shrink one it reads that file in /proc.
pub fn one_heap() {
    // SAFETY: sets a number inside the allocator; no other thread runs yet, which `engine` of `sandhog-worker` upholds.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

fn heard(memory: *mut u8) -> *mut u8 {
    if memory.is_null() {
        last_words::out_of_memory();
    }
    memory
}
