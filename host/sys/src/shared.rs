//! Memory that several processes have at the same time: files without a name, their mappings, and what is read and written
//! there as words of 32 or 64 bits or as plain bytes.
//!
//! The other processes write whenever and whatever they like. So nothing here hands out a reference to bytes: words are
//! atomics, and bytes are copied by accesses that the compiler neither merges nor repeats. A place beyond the end reads as 0
//! and takes nothing, and so does every place of a mapping for reading when it is written.
//!
//! Must not: know what a word means, or wait (`futex`).

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64};

const WORD: usize = size_of::<u32>();

/// From here on a copy is left to the processor's own instruction: measured, shorter ones are faster without it.
#[cfg(target_arch = "x86_64")]
const LONG_COPY: usize = 512;

/// A file without a name, of this size for ever: whoever has it can neither shrink nor grow it, nor seal it further. Nothing is
/// allocated for it yet.
///
/// # Errors
/// As memfd_create(2) and ftruncate(2).
pub fn create(name: &CStr, bytes: u64) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&file, bytes)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

/// Allocates all of the file now, on the account of this process's cgroup: no access to it fails later for want of memory.
///
/// # Errors
/// ENOSPC, ENOMEM: there is not as much.
pub fn allocate(file: BorrowedFd<'_>, bytes: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes)?)
}

/// The same file, for those who may only read it: nobody makes a mapping for writing of this descriptor.
///
/// # Errors
/// As open(2): /proc is needed.
pub fn for_reading(file: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Bytes of the file.
///
/// # Errors
/// As fstat(2).
pub fn size(file: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(rustix::fs::fstat(file)?.st_size.cast_unsigned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// A whole file in this process's memory.
#[derive(Debug)]
pub struct Shared {
    start: NonNull<u8>,
    bytes: usize,
    /// Whole words; and of these and of the bytes those that may be written: all, or none.
    words: usize,
    writable_words: usize,
    writable: usize,
}

// SAFETY: `start` is the address of a mapping that stays until the value is dropped, and every access to it is one that other
// processes may make at the same time, so that other threads may as well.
unsafe impl Send for Shared {}
// SAFETY: the same.
unsafe impl Sync for Shared {}

impl Shared {
    /// Maps all of the file. The descriptor is not needed any longer.
    ///
    /// A file that shrinks later ends this process by SIGBUS when it touches what is gone: whoever makes it seals it, as
    /// [`create`] does.
    ///
    /// # Errors
    /// As mmap(2): EINVAL for an empty file, EACCES for writing where the descriptor is for reading.
    pub fn map(file: BorrowedFd<'_>, access: Access) -> io::Result<Self> {
        let bytes = usize::try_from(size(file)?).map_err(io::Error::other)?;
        let (right, writable) = match access {
            Access::Read => (ProtFlags::READ, 0),
            Access::Write => (ProtFlags::READ | ProtFlags::WRITE, bytes),
        };
        // SAFETY: a new mapping, where the kernel likes, which replaces nothing.
        let start = unsafe { rustix::mm::mmap(ptr::null_mut(), bytes, right, MapFlags::SHARED, file.as_fd(), 0)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, bytes, words: bytes / WORD, writable_words: writable / WORD, writable })
    }

    /// In bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable > 0
    }

    /// The word number `place`, to be read.
    #[inline]
    #[must_use]
    pub fn word(&self, place: usize) -> Option<Word<'_>> {
        self.address(place, self.words).map(|address| {
            // SAFETY: inside of the mapping, which outlives what is returned; a mapping begins at a page, so a multiple of 4
            // bytes from there is aligned. All accesses to words are atomic, in all processes that keep to the rules; one that
            // does not can change the value, which is why it is checked, and nothing else.
            Word(unsafe { AtomicU32::from_ptr(address.cast()) })
        })
    }

    /// The word number `place`, to be changed: none in a mapping for reading.
    #[inline]
    #[must_use]
    pub fn word_mut(&self, place: usize) -> Option<&AtomicU32> {
        self.address(place, self.writable_words).map(|address| {
            // SAFETY: as in `word`, and the mapping is for writing: `writable` is 0 in others.
            unsafe { AtomicU32::from_ptr(address.cast()) }
        })
    }

    /// The words number `place` and `place` + 1 as one, to be read. None where `place` is odd.
    #[inline]
    #[must_use]
    pub fn long(&self, place: usize) -> Option<Long<'_>> {
        self.long_address(place, self.words).map(|address| {
            // SAFETY: as in `word`; `place` is even, so that the address is a multiple of 8.
            Long(unsafe { AtomicU64::from_ptr(address.cast()) })
        })
    }

    /// The same, to be changed.
    #[inline]
    #[must_use]
    pub fn long_mut(&self, place: usize) -> Option<&AtomicU64> {
        self.long_address(place, self.writable_words).map(|address| {
            // SAFETY: as in `long` and `word_mut`.
            unsafe { AtomicU64::from_ptr(address.cast()) }
        })
    }

    #[inline]
    fn long_address(&self, place: usize, end: usize) -> Option<*mut u8> {
        if place.is_multiple_of(2) && place | 1 < end { self.address(place, end) } else { None }
    }

    /// Of the word number `place`, where it lies before word number `end`, which the mapping has.
    #[inline]
    fn address(&self, place: usize, end: usize) -> Option<*mut u8> {
        // SAFETY: a whole word below `end`, so inside of the mapping, which has no more bytes than can be counted.
        if place < end { Some(unsafe { self.start.as_ptr().add(place * WORD) }) } else { None }
    }

    /// Copies bytes from `place` on, counted in bytes; 0 for those beyond the end. Others may write meanwhile.
    #[inline]
    pub fn read(&self, place: usize, into: &mut [u8]) {
        let length = into.len().min(self.bytes.saturating_sub(place));
        let (inside, beyond) = into.split_at_mut(length);
        beyond.fill(0);
        if length > 0 {
            // SAFETY: `place` and `length` bytes from there are inside of the mapping; `inside` is memory of this process alone,
            // so that the two do not overlap.
            unsafe { copy(self.start.as_ptr().add(place), inside.as_mut_ptr(), length, Other::From) };
        }
    }

    /// Copies bytes to `place` and after, as far as there are bytes that may be written.
    #[inline]
    pub fn write(&self, place: usize, from: &[u8]) {
        let length = from.len().min(self.writable.saturating_sub(place));
        if length > 0 {
            // SAFETY: `place` and `length` bytes from there are inside of the mapping, which is for writing; `from` is memory of
            // this process alone, so that the two do not overlap.
            unsafe { copy(from.as_ptr(), self.start.as_ptr().add(place), length, Other::Into) };
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` has made, of that length; nothing that borrows from it is left.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// A word that is read and never written here: its memory may be mapped for reading.
#[derive(Clone, Copy)]
pub struct Word<'s>(&'s AtomicU32);

impl Word<'_> {
    /// With acquire ordering.
    #[inline]
    #[must_use]
    pub fn load(self) -> u32 {
        self.0.load(std::sync::atomic::Ordering::Acquire)
    }

    /// For futex(2), which compares it and writes nothing.
    #[inline]
    pub(crate) fn for_futex(&self) -> &AtomicU32 {
        self.0
    }
}

/// Two words that are read and never written here.
#[derive(Clone, Copy)]
pub struct Long<'s>(&'s AtomicU64);

impl Long<'_> {
    /// With acquire ordering.
    #[inline]
    #[must_use]
    pub fn load(self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Acquire)
    }
}

/// Which side of a copy other processes have as well.
#[derive(Clone, Copy)]
enum Other {
    From,
    Into,
}

/// # Safety
/// `length` bytes can be read at `from` and written at `into`, and they do not overlap. What is not the `other` side is this
/// process's alone.
#[inline]
unsafe fn copy(from: *const u8, into: *mut u8, length: usize, other: Other) {
    #[cfg(target_arch = "x86_64")]
    if length >= LONG_COPY {
        // SAFETY: as the caller says. The compiler knows nothing of what the instruction does but that it touches memory, so
        // that nothing follows from writes of others meanwhile; the direction flag is clear between instructions of Rust.
        unsafe {
            std::arch::asm!("rep movsb", inout("rcx") length => _, inout("rsi") from => _, inout("rdi") into => _,
                options(nostack, preserves_flags));
        }
        return;
    }
    let whole = length / size_of::<Unaligned>();
    for at in 0..whole {
        // SAFETY: the first `whole` units of what the caller says; a packed structure has no alignment.
        unsafe { copy_one(from.cast::<Unaligned>().add(at), into.cast::<Unaligned>().add(at), other) };
    }
    for at in whole * size_of::<Unaligned>()..length {
        // SAFETY: the bytes that are left.
        unsafe { copy_one(from.add(at), into.add(at), other) };
    }
}

/// What one access copies.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Unaligned(u64);

/// # Safety
/// As [`copy`], for one value.
#[inline]
unsafe fn copy_one<T: Copy>(from: *const T, into: *mut T, other: Other) {
    // SAFETY: as the caller says. What others write meanwhile is read or overwritten in one access, which the compiler does not
    // repeat; any bits are a value of these types.
    unsafe {
        match other {
            Other::From => into.write(from.read_volatile()),
            Other::Into => into.write_volatile(from.read()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    fn pair(bytes: u64) -> (OwnedFd, Shared, Shared) {
        let file = create(c"test", bytes).unwrap();
        let one = Shared::map(file.as_fd(), Access::Write).unwrap();
        let other = Shared::map(file.as_fd(), Access::Write).unwrap();
        (file, one, other)
    }

    #[test]
    fn one_mapping_reads_what_the_other_writes() {
        let (_file, one, other) = pair(4096);
        one.word_mut(3).unwrap().store(7, Ordering::Release);
        assert_eq!(other.word(3).unwrap().load(), 7);
        other.long_mut(2).unwrap().store(1 << 40 | 5, Ordering::Release);
        assert_eq!((one.word(2).unwrap().load(), one.word(3).unwrap().load()), (5, 1 << 8));
        assert_eq!(one.long(2).unwrap().load(), 1 << 40 | 5);
    }

    #[test]
    fn bytes_of_every_length_are_copied_from_and_to_every_alignment() {
        let (_file, one, other) = pair(8192);
        for (place, length) in [(0, 0), (1, 1), (3, 7), (5, 8), (6, 100), (7, 511), (9, 512), (11, 4096), (0, 8192)] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from((at * 7 + place) % 251).unwrap()).collect();
            one.write(place, &bytes);
            let mut read = vec![0; length];
            other.read(place, &mut read);
            assert!(read == bytes, "{length} bytes at {place}");
        }
    }

    #[test]
    fn a_place_beyond_the_end_reads_as_0_and_takes_nothing() {
        let (_file, one, _) = pair(4096);
        assert!(one.word(1023).is_some() && one.word_mut(1023).is_some() && one.long(1022).is_some());
        for place in [1024, 1025, usize::MAX / 4, usize::MAX / 4 + 1, usize::MAX] {
            assert!(one.word(place).is_none() && one.word_mut(place).is_none(), "{place}");
            assert!(one.long(place).is_none() && one.long_mut(place).is_none(), "{place}");
        }
        assert!(one.long(1).is_none() && one.long_mut(1021).is_none(), "odd");
        one.write(4094, b"abcd");
        let mut read = [1; 4];
        one.read(4094, &mut read);
        assert_eq!(read, *b"ab\0\0");
        for place in [4096, 4097, usize::MAX] {
            one.write(place, b"x");
            let mut read = [1; 2];
            one.read(place, &mut read);
            assert_eq!(read, [0; 2]);
        }
    }

    #[test]
    fn a_mapping_for_reading_takes_nothing_and_its_descriptor_makes_none_for_writing() {
        let file = create(c"test", 4096).unwrap();
        let reader = for_reading(file.as_fd()).unwrap();
        let error = Shared::map(reader.as_fd(), Access::Write).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
        let (one, other) =
            (Shared::map(reader.as_fd(), Access::Read).unwrap(), Shared::map(file.as_fd(), Access::Write).unwrap());
        assert!(!one.is_writable() && one.word_mut(0).is_none() && one.long_mut(0).is_none());
        one.write(0, b"x");
        other.word_mut(0).unwrap().store(9, Ordering::Release);
        assert_eq!((one.word(0).unwrap().load(), one.long(0).unwrap().load()), (9, 9));
    }

    #[test]
    fn a_file_is_of_its_size_for_ever_and_is_not_empty() {
        let file = create(c"test", 4096).unwrap();
        allocate(file.as_fd(), 4096).unwrap();
        for size in [0, 4095, 4097, 1 << 20] {
            assert_eq!(rustix::fs::ftruncate(&file, size), Err(rustix::io::Errno::PERM));
        }
        assert_eq!(rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE), Err(rustix::io::Errno::PERM));
        let empty = create(c"test", 0).unwrap();
        assert_eq!(Shared::map(empty.as_fd(), Access::Read).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        assert!(create(c"test", u64::MAX).is_err() && create(c"test", 1 << 63).is_err());
    }
}
