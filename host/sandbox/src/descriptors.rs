//! Which descriptors a process has: the ones on a list, and no others.

use sandhog_sys::descriptors::{Newborn, close_range};
use std::io;
use std::os::fd::RawFd;

#[derive(Debug, thiserror::Error)]
#[error("close all descriptors but {keep:?}")]
pub struct Error {
    keep: Vec<RawFd>,
    #[source]
    source: io::Error,
}

/// Closes every descriptor that is not on the list, however many there are, without looking at them one by one.
pub fn keep_only(newborn: Newborn, keep: &[RawFd]) -> Result<(), Error> {
    let gaps = gaps(keep);
    gaps.iter()
        .try_for_each(|(first, last)| close_range(newborn, *first, *last))
        .map_err(|source| Error { keep: keep.to_vec(), source })
}

/// The ranges, both ends included, that are not on the list.
fn gaps(keep: &[RawFd]) -> Vec<(u32, u32)> {
    let mut keep: Vec<u32> = keep.iter().map(|number| number.cast_unsigned()).collect();
    keep.sort_unstable();
    keep.dedup();
    let starts = std::iter::once(0).chain(keep.iter().map(|number| number + 1));
    let ends = keep.iter().map(|number| number.checked_sub(1)).chain([Some(u32::MAX)]);
    starts.zip(ends).filter_map(|(start, end)| end.filter(|end| start <= *end).map(|end| (start, end))).collect()
}

/// How far RLIMIT_NOFILE, which bounds numbers, must lie above `wanted` so that a process with these descriptors
/// can open exactly that many more.
pub fn reserved(own: &[RawFd], wanted: u32) -> u32 {
    let mut own: Vec<u32> = own.iter().map(|number| number.cast_unsigned()).collect();
    own.sort_unstable();
    own.dedup();
    // Each of its own that lies below the limit takes one number away, and pushes the limit up by one.
    own.iter()
        .fold(0, |reserved, number| if *number < wanted.saturating_add(reserved) { reserved + 1 } else { reserved })
}

#[cfg(test)]
mod tests {
    use super::{gaps, reserved};

    #[test]
    fn exactly_the_wanted_numbers_are_free_below_the_limit() {
        for own in [&[0, 1, 2][..], &[0, 1, 2, 9, 14], &[0, 1, 2, 3, 4, 5, 300], &[]] {
            for wanted in [1, 5, 64, 1000] {
                let limit = wanted + reserved(own, wanted);
                let free = (0..limit).filter(|number| !own.contains(&number.cast_signed())).count();
                assert_eq!(free, wanted as usize, "{own:?}");
            }
        }
    }

    #[test]
    fn the_gaps_are_all_that_is_not_kept() {
        assert_eq!(gaps(&[0, 1, 2, 5]), [(3, 4), (6, u32::MAX)]);
        assert_eq!(gaps(&[3, 0, 3]), [(1, 2), (4, u32::MAX)]);
        assert_eq!(gaps(&[]), [(0, u32::MAX)]);
    }
}
