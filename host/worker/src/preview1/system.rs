//! What a guest was started with, and what it has but for files: arguments, environment, clocks, random numbers, its end.

use super::{
    Guest,
    errno::{Errno, Failure},
    memory::{self, bytes_mut},
    status,
};
use crate::wasi;
use rustix::{
    io::retry_on_intr,
    rand::{GetRandomFlags, getrandom},
    time::{ClockId, clock_getres},
};
use sandhog_sys::clock;

/// `typenames.witx`, `clockid`. The two of CPU time, 2 and 3, are told to nobody.
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
const CPU_TIMES: std::ops::RangeInclusive<u32> = 2..=3;

/// `args_sizes_get`
pub(super) fn args_sizes(guest: &mut Guest, memory: &mut [u8], count: u32, length: u32) -> Result<(), Failure> {
    guest.args.sizes(memory, count, length)
}

/// `args_get`
pub(super) fn args(guest: &mut Guest, memory: &mut [u8], list: u32, buffer: u32) -> Result<(), Failure> {
    guest.args.get(memory, list, buffer)
}

/// `environ_sizes_get`
pub(super) fn environ_sizes(guest: &mut Guest, memory: &mut [u8], count: u32, length: u32) -> Result<(), Failure> {
    guest.environ.sizes(memory, count, length)
}

/// `environ_get`
pub(super) fn environ(guest: &mut Guest, memory: &mut [u8], list: u32, buffer: u32) -> Result<(), Failure> {
    guest.environ.get(memory, list, buffer)
}

/// `clock_res_get`. The monotonic clock is the guest's own and counts nanoseconds.
pub(super) fn clock_resolution(_: &mut Guest, memory: &mut [u8], id: u32, result: u32) -> Result<(), Failure> {
    let resolution = match id {
        REALTIME => {
            let resolution = clock_getres(ClockId::Realtime);
            status::nanoseconds(resolution.tv_sec, u32::try_from(resolution.tv_nsec).unwrap_or_default())
        }
        MONOTONIC => 1,
        other => return Err(no_clock(other).into()),
    };
    memory::put(memory, result, resolution.to_le_bytes())
}

/// `clock_time_get`
pub(super) fn clock_time(
    guest: &mut Guest,
    memory: &mut [u8],
    id: u32,
    _precision: u64,
    result: u32,
) -> Result<(), Failure> {
    let now = match id {
        REALTIME => wasi::nanoseconds(clock::since_1970()),
        MONOTONIC => wasi::nanoseconds(guest.start.elapsed()),
        other => return Err(no_clock(other).into()),
    };
    memory::put(memory, result, now.to_le_bytes())
}

fn no_clock(id: u32) -> Errno {
    if CPU_TIMES.contains(&id) { Errno::Badf } else { Errno::Inval }
}

/// `random_get`. Asks the kernel each time, so that no fork can repeat it.
pub(super) fn random(_: &mut Guest, memory: &mut [u8], start: u32, length: u32) -> Result<(), Failure> {
    let mut rest = bytes_mut(memory, start, length)?;
    while !rest.is_empty() {
        let filled = retry_on_intr(|| getrandom(&mut *rest, GetRandomFlags::empty()))?;
        rest = rest.get_mut(filled..).unwrap_or_default();
    }
    Ok(())
}

/// `proc_raise`: there are no signals.
pub(super) fn raise(_: &mut Guest, _: &mut [u8], _: u32) -> Result<(), Failure> {
    Err(Errno::Notsup.into())
}

/// `sched_yield`: there is nobody to step aside for.
pub(super) fn step_aside(_: &mut Guest, _: &mut [u8]) -> Result<(), Failure> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_not_there_are_told_from_those_that_do_not_exist() {
        assert_eq!((no_clock(2), no_clock(3), no_clock(4)), (Errno::Badf, Errno::Badf, Errno::Inval));
    }
}
