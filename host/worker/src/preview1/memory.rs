//! The guest's memory, as calls of WASI 0.1 read and write it. Every address and every length comes from the guest: each is
//! checked here, and nothing is allocated by one.

use super::errno::{Errno, Failure};
use crate::stdio::BUFFERS;
use std::io::{IoSlice, IoSliceMut};

/// Longest path that a call looks at, in bytes: twice PATH_MAX of `linux/limits.h`, which is what the kernel takes. Its own
/// answer to a longer one is the same.
const PATH: u32 = 8192;

/// `length` bytes from `start` on.
pub(super) fn bytes(memory: &[u8], start: u32, length: u32) -> Result<&[u8], Failure> {
    let start = start as usize;
    memory.get(start..start + length as usize).ok_or(Failure::Pointer)
}

/// The same, to be written.
pub(super) fn bytes_mut(memory: &mut [u8], start: u32, length: u32) -> Result<&mut [u8], Failure> {
    let start = start as usize;
    memory.get_mut(start..start + length as usize).ok_or(Failure::Pointer)
}

/// Puts `value` where the guest wants it.
pub(super) fn put<const N: usize>(memory: &mut [u8], address: u32, value: [u8; N]) -> Result<(), Failure> {
    let address = address as usize;
    memory.get_mut(address..address + N).ok_or(Failure::Pointer)?.copy_from_slice(&value);
    Ok(())
}

/// Puts a length or a count there. The kernel moves less than 2 GiB in one call: read(2).
pub(super) fn put_size(memory: &mut [u8], address: u32, value: usize) -> Result<(), Failure> {
    put(memory, address, u32::try_from(value).map_err(|_| Errno::Overflow)?.to_le_bytes())
}

/// A path or the text of a link. WASI 0.1 has them in UTF-8.
///
/// # Errors
/// ILSEQ where it is not UTF-8, NAMETOOLONG.
pub(super) fn text(memory: &[u8], start: u32, length: u32) -> Result<&str, Failure> {
    let bytes = bytes(memory, start, length)?;
    if length > PATH {
        return Err(Errno::NameTooLong.into());
    }
    std::str::from_utf8(bytes).map_err(|_| Errno::Ilseq.into())
}

/// The guest's `count` buffers, whose list is at `vector`, as far as one system call takes them.
pub(super) fn to_write<T>(
    memory: &[u8],
    (vector, count): (u32, u32),
    call: impl FnOnce(&[IoSlice<'_>]) -> rustix::io::Result<T>,
) -> Result<T, Failure> {
    let (ranges, used) = ranges(memory, vector, count)?;
    let slices: [IoSlice<'_>; BUFFERS] =
        std::array::from_fn(|index| IoSlice::new(&memory[ranges[index].start..ranges[index].end()]));
    Ok(call(&slices[..used])?)
}

/// The same, to be filled. Buffers that overlap are no mistake of the guest's that anybody would notice, and one after the
/// other none at all: only the first of such is filled.
pub(super) fn to_fill<T>(
    memory: &mut [u8],
    (vector, count): (u32, u32),
    call: impl FnOnce(&mut [IoSliceMut<'_>]) -> rustix::io::Result<T>,
) -> Result<T, Failure> {
    let (ranges, used) = ranges(memory, vector, count)?;
    let (order, used) = apart(&ranges, used);
    let mut slices: [IoSliceMut<'_>; BUFFERS] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
    let (mut rest, mut at) = (memory, 0);
    for index in &order[..used] {
        let range = ranges[*index];
        let (_, from) = rest.split_at_mut(range.start - at);
        let (slice, after) = from.split_at_mut(range.length);
        slices[*index] = IoSliceMut::new(slice);
        (rest, at) = (after, range.end());
    }
    Ok(call(&mut slices[..used])?)
}

/// Where one buffer lies; inside of the memory that it was checked against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Range {
    start: usize,
    length: usize,
}

impl Range {
    fn end(self) -> usize {
        self.start + self.length
    }
}

/// The guest's list of buffers: address and length, four bytes each. Nothing is allocated, however long it says that it is.
fn buffers_at(memory: &[u8], vector: u32, count: u32) -> Result<impl Iterator<Item = Range>, Failure> {
    let start = vector as usize;
    let list = memory.get(start..start.saturating_add(count as usize * 8)).ok_or(Failure::Pointer)?;
    let (pairs, _) = list.as_chunks::<8>();
    Ok(pairs.iter().map(|[a, b, c, d, e, f, g, h]| Range {
        start: u32::from_le_bytes([*a, *b, *c, *d]) as usize,
        length: u32::from_le_bytes([*e, *f, *g, *h]) as usize,
    }))
}

/// The guest's first buffer that is not empty, to be filled; an empty one where all are.
pub(super) fn first(memory: &mut [u8], vector: u32, count: u32) -> Result<&mut [u8], Failure> {
    let first = buffers_at(memory, vector, count)?.find(|range| range.length > 0).unwrap_or_default();
    memory.get_mut(first.start..first.end()).ok_or(Failure::Pointer)
}

/// The first buffers that are not empty, and how many these are. All of the list is checked.
fn ranges(memory: &[u8], vector: u32, count: u32) -> Result<([Range; BUFFERS], usize), Failure> {
    let (mut ranges, mut used) = ([Range::default(); BUFFERS], 0);
    for range in buffers_at(memory, vector, count)? {
        memory.get(range.start..range.end()).ok_or(Failure::Pointer)?;
        if range.length > 0 && used < BUFFERS {
            ranges[used] = range;
            used += 1;
        }
    }
    Ok((ranges, used))
}

/// The first `used` ranges in the order of their starts, and how many of them can be filled at once.
fn apart(ranges: &[Range; BUFFERS], used: usize) -> ([usize; BUFFERS], usize) {
    let mut order: [usize; BUFFERS] = std::array::from_fn(|index| index);
    order[..used].sort_unstable_by_key(|index| ranges[*index].start);
    let overlap = order[..used].windows(2).any(|pair| ranges[pair[0]].end() > ranges[pair[1]].start);
    if overlap { (std::array::from_fn(|index| index), 1) } else { (order, used) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdio;
    use std::os::fd::AsFd;

    /// A memory with a list of buffers at 0.
    fn memory(buffers: &[(u32, u32)]) -> Vec<u8> {
        let mut memory = vec![b'.'; 512];
        for (pair, (start, length)) in memory.as_chunks_mut::<8>().0.iter_mut().zip(buffers) {
            pair[..4].copy_from_slice(&start.to_le_bytes());
            pair[4..].copy_from_slice(&length.to_le_bytes());
        }
        memory
    }

    #[test]
    fn all_buffers_of_a_write_go_out_in_order() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut memory = memory(&[(100, 5), (0, 0), (200, 6)]);
        memory[100..105].copy_from_slice(b"hello");
        memory[200..206].copy_from_slice(b" world");
        assert_eq!(to_write(&memory, (0, 3), |buffers| stdio::write(writer.as_fd(), buffers)), Ok(11));
        drop(writer);
        assert_eq!(std::io::read_to_string(std::fs::File::from(reader)).unwrap(), "hello world");
    }

    #[test]
    fn a_first_buffer_outside_of_the_memory_is_none() {
        let mut memory = memory(&[(0, 0), (500, 100), (100, 5)]);
        assert_eq!(first(&mut memory, 0, 2), Err(Failure::Pointer));
        assert_eq!(first(&mut memory, 510, 1), Err(Failure::Pointer));
        assert_eq!(first(&mut memory, 16, 1).unwrap().len(), 5);
        assert!(first(&mut memory, 0, 1).unwrap().is_empty());
    }

    fn filled(buffers: &[(u32, u32)]) -> Result<(usize, Vec<u8>), Failure> {
        let mut memory = memory(buffers);
        let count = u32::try_from(buffers.len()).unwrap();
        let slices = to_fill(&mut memory, (0, count), |slices| {
            for (index, slice) in slices.iter_mut().enumerate() {
                slice.fill(b'a' + u8::try_from(index).unwrap());
            }
            Ok(slices.len())
        })?;
        Ok((slices, memory[200..212].to_vec()))
    }

    #[test]
    fn buffers_are_filled_in_the_order_of_the_list() {
        let (used, content) = filled(&[(208, 2), (0, 0), (200, 3), (203, 2)]).unwrap();
        assert_eq!((used, content), (3, b"bbbcc...aa..".to_vec()));
    }

    #[test]
    fn of_buffers_that_overlap_the_first_is_filled() {
        let (used, content) = filled(&[(202, 3), (200, 3)]).unwrap();
        assert_eq!((used, content), (1, b"..aaa.......".to_vec()));
    }

    #[test]
    fn a_list_without_content_is_no_buffer() {
        assert_eq!(filled(&[(0, 0), (300, 0)]).unwrap().0, 0);
        assert_eq!(filled(&[]).unwrap().0, 0);
    }

    #[test]
    fn more_buffers_than_one_call_takes_are_taken_in_part() {
        let many: Vec<(u32, u32)> = (0..20).map(|index| (400 + index, 1)).collect();
        assert_eq!(filled(&many).unwrap().0, BUFFERS);
        assert_eq!(to_write(&memory(&many), (0, 20), |slices| Ok(slices.len())), Ok(BUFFERS));
    }

    #[test]
    fn an_address_outside_of_the_memory_is_none() {
        let end = u32::MAX;
        assert_eq!(filled(&[(200, 1), (510, 3)]), Err(Failure::Pointer));
        assert_eq!(filled(&[(end, end)]), Err(Failure::Pointer));
        for (vector, count) in [(505, 1), (end, 1), (0, end), (end, end)] {
            assert_eq!(to_write(&memory(&[]), (vector, count), |_| Ok(())), Err(Failure::Pointer));
        }
        assert_eq!(bytes(&[0; 8], 8, 0), Ok(&[][..]));
        assert_eq!(bytes(&[0; 8], 9, 0), Err(Failure::Pointer));
        assert_eq!(bytes(&[0; 8], end, end), Err(Failure::Pointer));
        assert_eq!(put(&mut [0; 8], 5, [1; 4]), Err(Failure::Pointer));
        assert_eq!(put(&mut [0; 8], end, [1; 4]), Err(Failure::Pointer));
    }

    #[test]
    fn a_path_is_text_and_not_longer_than_the_kernels() {
        assert_eq!(text(b"ab\xff", 0, 2), Ok("ab"));
        assert_eq!(text(b"ab\xff", 0, 3), Err(Failure::Told(Errno::Ilseq)));
        assert_eq!(text(&[b'a'; 10_000], 0, 10_000), Err(Failure::Told(Errno::NameTooLong)));
    }
}
