//! What a process says when it has no strength left for more: a message made beforehand, written to its
//! channel by the allocator that has no memory or by the signal handler that has no CPU time, and then
//! `_exit(0)`. So a worker that ran out of memory says so, instead of dying of an abort that tells nothing.

use std::{
    hint, io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

struct Words {
    channel: RawFd,
    out_of_memory: Vec<u8>,
    out_of_cpu: Option<Vec<u8>>,
}

static WORDS: OnceLock<Words> = OnceLock::new();

/// Nobody speaks: nothing is armed, or the process speaks for itself.
const SILENT: u8 = 0;
/// The next one may speak.
const ARMED: u8 = 1;
/// One is speaking and will end the process.
const SPEAKING: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(SILENT);

/// Prepares the words: whole frames, ready to be written to `channel`, which must stay open as that number
/// until the process ends. Once in a process, after its fork; a second time changes nothing. `out_of_cpu`
/// is for a process that uses `timer::end_process_after`.
pub(crate) fn arm(channel: BorrowedFd<'_>, out_of_memory: Vec<u8>, out_of_cpu: Option<Vec<u8>>) {
    let words = Words { channel: channel.as_raw_fd(), out_of_memory, out_of_cpu };
    if WORDS.set(words).is_ok() {
        STATE.store(ARMED, Ordering::SeqCst);
    }
}

/// From here on the process speaks for itself. Call it before the real last message is written, so
/// that the two never mix.
pub(crate) fn disarm() {
    let _ = STATE.compare_exchange(ARMED, SILENT, Ordering::SeqCst, Ordering::SeqCst);
}

/// Says that there is no memory, and ends the process. Returns where nothing is armed.
pub(super) fn out_of_memory() {
    if let Some(words) = WORDS.get()
        && may_speak()
    {
        say(words.channel, &words.out_of_memory);
    }
    // Another thread is at it. To return would let this one abort the process in the middle of the words.
    while STATE.load(Ordering::SeqCst) == SPEAKING {
        hint::spin_loop();
    }
}

/// Says that there is no CPU time left, and ends the process. Returns where nothing is armed. Runs in a
/// signal handler, so it never waits: the one who is speaking may be the very thread that it interrupted.
pub(super) fn out_of_cpu() {
    if let Some(words) = WORDS.get()
        && let Some(frame) = &words.out_of_cpu
        && may_speak()
    {
        say(words.channel, frame);
    }
}

fn may_speak() -> bool {
    STATE.compare_exchange(ARMED, SPEAKING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

fn say(channel: RawFd, mut frame: &[u8]) -> ! {
    while !frame.is_empty() {
        // SAFETY: pointer and length are those of a live slice. That the number is still the channel's is
        // upheld by `arm`'s caller.
        let written = unsafe { libc::write(channel, frame.as_ptr().cast(), frame.len()) };
        match usize::try_from(written) {
            Ok(length) => frame = frame.get(length..).unwrap_or_default(),
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    // SAFETY: `_exit` ends all threads without running anything of this process.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{in_child::in_child, timer};
    use rustix::process::{Resource, Rlimit, setrlimit};
    use std::{hint::black_box, os::fd::AsFd, time::Duration};

    #[test]
    fn a_process_without_memory_says_so() {
        let words = in_child(|channel| {
            let limit = Rlimit { current: Some(256 << 20), maximum: Some(256 << 20) };
            setrlimit(Resource::Data, limit).unwrap();
            arm(channel.as_fd(), b"no memory".to_vec(), None);
            black_box(vec![1_u8; 1 << 30]);
        });
        assert_eq!(words, b"no memory");
    }

    #[test]
    fn a_process_without_cpu_time_says_so() {
        let words = in_child(|channel| {
            arm(channel.as_fd(), b"no memory".to_vec(), Some(b"no time".to_vec()));
            timer::end_process_after(Duration::from_millis(20)).unwrap();
            loop {
                hint::spin_loop();
            }
        });
        assert_eq!(words, b"no time");
    }

    #[test]
    fn a_disarmed_process_speaks_for_itself() {
        let words = in_child(|channel| {
            arm(channel.as_fd(), b"no memory".to_vec(), None);
            disarm();
            out_of_memory();
            rustix::io::write(channel, b"all is well").unwrap();
        });
        assert_eq!(words, b"all is well");
    }
}
