//! The executable's own code and constants, moved from its file into memory of the process.
//!
//! A child of fork(2) has no page tables for what is mapped from files: it meets each page of code with a fault of its own. What
//! is memory of the process is there at once, since fork(2) copies its tables; and in huge pages, where the kernel has some, these
//! are a handful.

use crate::process::SingleThreaded;
use std::io;
use std::ops::Range;

/// A huge page of x86-64 and of most others (Documentation/admin-guide/mm/transhuge.rst).
const HUGE: usize = 2 << 20;

const PAGE: usize = 4096;

/// Moves all that is mapped read-only from the executable. It takes as long as copying that takes: for a process that is forked
/// many times. Before anything forbids new executable memory.
///
/// # Errors
/// As mmap(2), mprotect(2) and mremap(2). What was not moved is as it was.
pub fn take_into_memory(_proof: &SingleThreaded) -> io::Result<()> {
    for (range, protection) in read_only_segments() {
        // SAFETY: the range is one that the kernel has mapped from the executable and that nobody writes to, so its copy is the same
        // to everybody; there is one thread, which goes on in the copy at the place at which it has left the original.
        unsafe { take(range, protection) }?;
    }
    Ok(())
}

/// # Safety
/// `range` is mapped and readable, whole pages, and never written to; nobody but the caller runs.
unsafe fn take(range: Range<usize>, protection: i32) -> io::Result<()> {
    let whole = with_surroundings(&range);
    let length = whole.len();
    let room = length + 2 * HUGE;
    // SAFETY: a new mapping, at a place of the kernel's choice.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            room,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // Where it lies in its huge page as the original does, tables move and not pages.
    let ahead = whole.start.wrapping_sub(start as usize) % HUGE;
    let copy = start.wrapping_byte_add(ahead);
    // SAFETY: the copy lies within the new mapping, which nobody else knows; the original is readable, and they do not overlap.
    // Around the original lies what was reserved here, and nothing else.
    let moved = unsafe {
        // Advice: it may be refused.
        libc::madvise(copy, length, libc::MADV_HUGEPAGE);
        let beginning = copy.wrapping_byte_add(range.start - whole.start);
        std::ptr::copy_nonoverlapping(range.start as *const u8, beginning.cast::<u8>(), range.len());
        if libc::mprotect(copy, length, protection) == 0 {
            let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
            libc::mremap(copy, length, length, flags, whole.start as *mut libc::c_void)
        } else {
            libc::MAP_FAILED
        }
    };
    let error = io::Error::last_os_error();
    // SAFETY: what is left of the new mapping, in which nothing is that anybody has a pointer to.
    unsafe { libc::munmap(start, room) };
    if moved == libc::MAP_FAILED { Err(error) } else { Ok(()) }
}

/// The range, and before and behind it as much as makes whole huge pages, where nothing is there: so an executable is linked whose
/// segments do not share one (`sandhog-link`). What is new is reserved.
fn with_surroundings(range: &Range<usize>) -> Range<usize> {
    let (start, end) = (range.start / HUGE * HUGE, range.end.next_multiple_of(HUGE));
    let start = if reserve(start..range.start) { start } else { range.start };
    let end = if reserve(range.end..end) { end } else { range.end };
    start..end
}

/// Whether there was nothing in it, and nothing comes there any more.
fn reserve(range: Range<usize>) -> bool {
    if range.is_empty() {
        return true;
    }
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: takes no place of which anything is in use.
    let start = unsafe { libc::mmap(range.start as *mut libc::c_void, range.len(), libc::PROT_NONE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return false;
    }
    if start as usize == range.start {
        return true;
    }
    // A kernel before Linux 4.17 does not know the flag, and takes another place.
    // SAFETY: it was made here, and nobody has a pointer into it.
    unsafe { libc::munmap(start, range.len()) };
    false
}

/// An address or a size within this process, as the executable's headers have it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the headers are those of a 64-bit executable, which runs on no other machine"
)]
const fn native(number: u64) -> usize {
    number as usize
}

/// Of the executable: what it maps without the right to write, with its protection. Source: elf(5), getauxval(3).
fn read_only_segments() -> Vec<(Range<usize>, i32)> {
    // SAFETY: takes numbers only.
    let [headers, size, count] =
        [libc::AT_PHDR, libc::AT_PHENT, libc::AT_PHNUM].map(|kind| native(unsafe { libc::getauxval(kind) }));
    if headers == 0 || size != size_of::<libc::Elf64_Phdr>() {
        return Vec::new();
    }
    // SAFETY: the kernel says that so many of them lie there, in what it has mapped from the executable for good.
    let headers_seen = unsafe { std::slice::from_raw_parts(headers as *const libc::Elf64_Phdr, count) };
    let table = headers_seen.iter().find(|header| header.p_type == libc::PT_PHDR);
    // Without an entry about themselves they follow on the file's header, which is where the first segment begins.
    let bias = match table {
        Some(table) => headers.wrapping_sub(native(table.p_vaddr)),
        None => headers.wrapping_sub(size_of::<libc::Elf64_Ehdr>()),
    };
    let is_read_only = |header: &&libc::Elf64_Phdr| {
        header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_R != 0 && header.p_flags & libc::PF_W == 0
    };
    let segment = |header: &libc::Elf64_Phdr| {
        let start = bias.wrapping_add(native(header.p_vaddr));
        let range = start / PAGE * PAGE..(start + native(header.p_memsz)).next_multiple_of(PAGE);
        let executable = if header.p_flags & libc::PF_X != 0 { libc::PROT_EXEC } else { 0 };
        (range, libc::PROT_READ | executable)
    };
    headers_seen.iter().filter(is_read_only).map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_child::in_child;
    use std::io::Write;

    #[test]
    fn what_was_moved_runs_on_and_is_no_file_any_more() {
        let said = in_child(|answer| {
            let token = SingleThreaded::claim().unwrap();
            take_into_memory(&token).unwrap();
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let code = take_into_memory as *const () as usize;
            let line = maps.lines().find(|line| {
                let (start, rest) = line.split_once('-').unwrap();
                let end = rest.split(' ').next().unwrap();
                let number = |text| usize::from_str_radix(text, 16).unwrap();
                (number(start)..number(end)).contains(&code)
            });
            answer.write_all(line.unwrap().as_bytes()).unwrap();
        });
        let line = String::from_utf8(said).unwrap();
        assert!(line.contains("r-xp") && !line.contains('/'), "{line}");
    }
}
