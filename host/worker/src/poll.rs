//! `poll_oneoff`: waiting for clocks, streams and sockets, inside poll(2). Files are always ready.

use super::{
    guest::{BadPointer, Guest},
    sockets::Kind,
    stdio::{self, Stream},
    wasi::nanoseconds,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
};
use sandhog_sys::clock;
use std::time::Duration;

/// Most subscriptions of one call: far above what programs use, low enough that nothing here takes long.
const SUBSCRIPTIONS: u32 = 4096;

/// Sizes in the guest's memory, in bytes: `typenames.witx`, `subscription` and `event`.
const SUBSCRIPTION: usize = 48;
const EVENT: usize = 32;

/// Values of WASI 0.1, `typenames.witx`.
const EVENT_CLOCK: u8 = 0;
const EVENT_READ: u8 = 1;
const EVENT_WRITE: u8 = 2;
const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_ABSOLUTE: u16 = 1;
const HANGUP: u16 = 1;
const ERRNO_BADF: u16 = 8;
const ERRNO_INVAL: u16 = 28;

/// What a guest waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// The guest's monotonic clock reaches this, in nanoseconds.
    Clock(u64),
    Stream(Stream),
    /// A socket of this number.
    Socket(u32),
    /// Ready at once, with this error number of WASI; 0: no error.
    Ready(u16),
}

#[derive(Clone, Copy, Debug)]
struct Subscription {
    userdata: [u8; 8],
    kind: u8,
    subject: Subject,
}

/// Waits until at least one of the `count` subscriptions is due, writes an event for each that is, and says how
/// many. The guest's lists lie at `subscriptions` and `events`.
///
/// # Errors
/// Where a list is not in the guest's memory; inside, what poll(2) says, and EINVAL where nothing or too much is asked.
pub(super) fn poll(
    guest: &Guest,
    memory: &mut [u8],
    subscriptions: u32,
    events: u32,
    count: u32,
) -> Result<rustix::io::Result<usize>, BadPointer> {
    if count == 0 || count > SUBSCRIPTIONS {
        return Ok(Err(Errno::INVAL));
    }
    let subscriptions = parse(guest, memory, subscriptions, count)?;
    let start = events as usize;
    let events = memory.get_mut(start..start + count as usize * EVENT).ok_or(BAD_POINTER)?;
    loop {
        let ready = match wait(guest, &subscriptions) {
            Ok(ready) => ready,
            Err(errno) => return Ok(Err(errno)),
        };
        let now = nanoseconds(guest.start.elapsed());
        let due = subscriptions
            .iter()
            .enumerate()
            .filter_map(|(place, subscription)| event(subscription, now, ready.flags(place, subscription.subject)));
        let mut written = 0;
        for (slot, event) in events.chunks_exact_mut(EVENT).zip(due) {
            slot.copy_from_slice(&event);
            written += 1;
        }
        if written > 0 {
            return Ok(Ok(written));
        }
    }
}

const BAD_POINTER: BadPointer = BadPointer { call: "poll_oneoff" };

fn parse(guest: &Guest, memory: &[u8], start: u32, count: u32) -> Result<Vec<Subscription>, BadPointer> {
    let start = start as usize;
    let list = memory.get(start..start + count as usize * SUBSCRIPTION).ok_or(BAD_POINTER)?;
    let now = nanoseconds(guest.start.elapsed());
    Ok(list.as_chunks().0.iter().map(|raw| subscription(guest, raw, now)).collect())
}

fn subscription(guest: &Guest, raw: &[u8; SUBSCRIPTION], now: u64) -> Subscription {
    let descriptor = u32::from_le_bytes(part(raw, 16));
    let kind = raw[8];
    let subject = match kind {
        EVENT_CLOCK => clock(raw, now),
        EVENT_READ => descriptor_subject(guest, descriptor, |stream| stream == Stream::In, |_| true),
        EVENT_WRITE => {
            descriptor_subject(guest, descriptor, |stream| stream != Stream::In, |kind| kind == Kind::Stream)
        }
        _ => Subject::Ready(ERRNO_INVAL),
    };
    Subscription { userdata: part(raw, 0), kind, subject }
}

fn clock(raw: &[u8; SUBSCRIPTION], now: u64) -> Subject {
    let timeout = u64::from_le_bytes(part(raw, 24));
    let absolute = u16::from_le_bytes(part(raw, 40)) & CLOCK_ABSOLUTE != 0;
    match (u32::from_le_bytes(part(raw, 16)), absolute) {
        (CLOCK_REALTIME | CLOCK_MONOTONIC, false) => Subject::Clock(now.saturating_add(timeout)),
        (CLOCK_MONOTONIC, true) => Subject::Clock(timeout),
        (CLOCK_REALTIME, true) => Subject::Clock(now.saturating_add(timeout.saturating_sub(unix_time()))),
        _ => Subject::Ready(ERRNO_INVAL),
    }
}

fn unix_time() -> u64 {
    nanoseconds(clock::since_1970())
}

fn descriptor_subject(
    guest: &Guest,
    descriptor: u32,
    fits: impl Fn(Stream) -> bool,
    socket_fits: impl Fn(Kind) -> bool,
) -> Subject {
    if let Some(socket) = guest.table.as_socket(descriptor) {
        return if socket_fits(socket.kind) { Subject::Socket(descriptor) } else { Subject::Ready(ERRNO_BADF) };
    }
    match guest.table.stream(descriptor) {
        Some(stream) if fits(stream) => Subject::Stream(stream),
        Some(_) => Subject::Ready(ERRNO_BADF),
        None if guest.table.is_file(descriptor) => Subject::Ready(0),
        None => Subject::Ready(ERRNO_BADF),
    }
}

/// Which streams and sockets are ready, and how.
#[derive(Debug, Default)]
struct Ready {
    streams: Vec<(Stream, PollFlags)>,
    /// By the place of their subscriptions.
    sockets: Vec<(usize, PollFlags)>,
}

impl Ready {
    /// How what the subscription at `place` waits for is ready; none where it is not.
    fn flags(&self, place: usize, subject: Subject) -> Option<PollFlags> {
        let flags = match subject {
            Subject::Stream(stream) => self.streams.iter().find(|(ready, _)| *ready == stream).map(|(_, flags)| *flags),
            Subject::Socket(_) => self.sockets.iter().find(|(ready, _)| *ready == place).map(|(_, flags)| *flags),
            Subject::Clock(_) | Subject::Ready(_) => None,
        };
        flags.filter(|flags| !flags.is_empty())
    }
}

/// Waits for the first thing that is due; may return before it is.
fn wait(guest: &Guest, subscriptions: &[Subscription]) -> rustix::io::Result<Ready> {
    let mut ready = Ready::default();
    let mut until = None;
    let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(subscriptions.len());
    for (place, subscription) in subscriptions.iter().enumerate() {
        match subscription.subject {
            Subject::Clock(time) => until = Some(until.map_or(time, |earliest: u64| earliest.min(time))),
            Subject::Ready(_) => until = Some(0),
            Subject::Stream(stream) if ready.streams.iter().any(|(known, _)| *known == stream) => {}
            Subject::Stream(stream) => {
                if stream == Stream::In {
                    guest.stdio.want_input();
                }
                ready.streams.push((stream, PollFlags::empty()));
            }
            Subject::Socket(number) => {
                let Some(socket) = guest.table.as_socket(number) else { continue };
                let flags = if subscription.kind == EVENT_READ { PollFlags::IN } else { PollFlags::OUT };
                fds.push(PollFd::new(&socket.fd, flags));
                ready.sockets.push((place, PollFlags::empty()));
            }
        }
    }
    let sockets = fds.len();
    let streams = ready.streams.iter();
    fds.extend(streams.map(|(stream, _)| PollFd::from_borrowed_fd(guest.stdio.fd(*stream), flags(*stream))));
    let timeout = until.map(|until| time_left(until, nanoseconds(guest.start.elapsed())));
    stdio::wait(&mut fds, timeout.as_ref())?;
    let (of_sockets, of_streams) = fds.split_at(sockets);
    ready.sockets.iter_mut().zip(of_sockets).for_each(|((_, flags), fd)| *flags = fd.revents());
    ready.streams.iter_mut().zip(of_streams).for_each(|((_, flags), fd)| *flags = fd.revents());
    Ok(ready)
}

fn flags(stream: Stream) -> PollFlags {
    match stream {
        Stream::In => PollFlags::IN,
        Stream::Out | Stream::Err => PollFlags::OUT,
    }
}

fn time_left(until: u64, now: u64) -> Timespec {
    let left = Duration::from_nanos(until.saturating_sub(now));
    Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(left.subsec_nanos()) }
}

/// The event for a subscription that is due; `flags`: how what it waits for is ready, where it is.
fn event(subscription: &Subscription, now: u64, flags: Option<PollFlags>) -> Option<[u8; EVENT]> {
    let (errno, hangup) = match subscription.subject {
        Subject::Clock(time) if time > now => return None,
        Subject::Clock(_) => (0, 0),
        Subject::Ready(errno) => (errno, 0),
        Subject::Stream(_) | Subject::Socket(_) => {
            let flags = flags?;
            let ended = flags.contains(PollFlags::HUP) && !flags.contains(PollFlags::IN);
            (0, if ended { HANGUP } else { 0 })
        }
    };
    let mut event = [0; EVENT];
    event[..8].copy_from_slice(&subscription.userdata);
    event[8..10].copy_from_slice(&errno.to_le_bytes());
    event[10] = subscription.kind;
    // How many bytes there are is not known; programs only ask whether it is none.
    event[16..24].copy_from_slice(&u64::from(subscription.kind != EVENT_CLOCK).to_le_bytes());
    event[24..26].copy_from_slice(&hangup.to_le_bytes());
    Some(event)
}

/// `N` bytes of a subscription from `start` on, which the callers keep inside of it.
fn part<const N: usize>(raw: &[u8; SUBSCRIPTION], start: usize) -> [u8; N] {
    std::array::from_fn(|index| raw[start + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock_subscription(id: u32, timeout: u64, flags: u16) -> [u8; SUBSCRIPTION] {
        let mut raw = [0; SUBSCRIPTION];
        raw[16..20].copy_from_slice(&id.to_le_bytes());
        raw[24..32].copy_from_slice(&timeout.to_le_bytes());
        raw[40..42].copy_from_slice(&flags.to_le_bytes());
        raw
    }

    #[test]
    fn a_relative_time_counts_from_the_call() {
        assert_eq!(clock(&clock_subscription(1, 5, 0), 100), Subject::Clock(105));
        assert_eq!(clock(&clock_subscription(0, u64::MAX, 0), 100), Subject::Clock(u64::MAX));
    }

    #[test]
    fn an_absolute_time_is_the_guests_own_clock_or_the_calendar() {
        assert_eq!(clock(&clock_subscription(1, 5, 1), 100), Subject::Clock(5));
        assert_eq!(clock(&clock_subscription(0, 5, 1), 100), Subject::Clock(100));
    }

    #[test]
    fn a_clock_of_cpu_time_is_refused() {
        assert_eq!(clock(&clock_subscription(2, 5, 0), 100), Subject::Ready(ERRNO_INVAL));
    }

    #[test]
    fn a_clock_is_due_when_its_time_has_come() {
        let subscription = Subscription { userdata: [7; 8], kind: EVENT_CLOCK, subject: Subject::Clock(10) };
        assert_eq!(event(&subscription, 9, None), None);
        assert_eq!(event(&subscription, 10, None).unwrap()[..8], [7; 8]);
    }

    #[test]
    fn a_stream_that_has_ended_says_hangup() {
        let subscription = Subscription { userdata: [0; 8], kind: EVENT_READ, subject: Subject::Stream(Stream::In) };
        let ready = |flags| Ready { streams: vec![(Stream::In, flags)], sockets: Vec::new() };
        let event = |flags| event(&subscription, 0, ready(flags).flags(0, subscription.subject));
        assert_eq!(event(PollFlags::empty()), None);
        assert_eq!(event(PollFlags::HUP).unwrap()[24], 1);
        assert_eq!(event(PollFlags::HUP | PollFlags::IN).unwrap()[24], 0);
    }
}
