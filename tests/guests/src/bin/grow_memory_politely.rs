//! Grows its memory a MiB at a time until the host says no, writes into each page that it gets,
//! prints how many MiB its memory has then, and exits with 0.

#[cfg(target_arch = "wasm32")]
fn main() {
    use core::arch::wasm32::{memory_grow, memory_size};
    const WASM_PAGE: usize = 64 << 10;
    const PAGES_PER_MIB: usize = 16;
    loop {
        let old_pages = memory_grow::<0>(PAGES_PER_MIB);
        if old_pages == usize::MAX {
            break;
        }
        for address in (old_pages * WASM_PAGE..memory_size::<0>() * WASM_PAGE).step_by(4096) {
            // SAFETY: memory_grow has just handed these pages to us; no allocator knows them.
            unsafe { (address as *mut u8).write_volatile(1) };
        }
    }
    println!("{}", memory_size::<0>() / PAGES_PER_MIB);
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {}
