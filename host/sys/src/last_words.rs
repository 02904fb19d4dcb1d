//! What a process says when it can do nothing more: a message made beforehand, written to its channel by
//! the allocator that has no memory or by the signal handler of a clock that ran out, and then `_exit(0)`.
//! So a worker that ran out of memory or time says so itself, whatever it was doing.

use std::{
    hint, io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    sync::{
        OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

/// Longest message, in bytes. It is put together on the stack of a signal handler; those in use have about 60.
const LONGEST: usize = 512;

/// In a message, this number stands for the peak of memory, which is not known before: see [`note_peak`]. Too
/// large to be one, and to be encoded in fewer than nine bytes.
pub const PEAK: u64 = 0xfffe_dcba_9876_5432;

/// How MessagePack encodes a large number: this marker and eight bytes, the highest first.
const UINT64: u8 = 0xcf;

/// Whole frames, ready to be written.
pub struct Words {
    pub out_of_memory: Vec<u8>,
    pub out_of_cpu: Vec<u8>,
    pub deadline: Vec<u8>,
}

/// A frame, and where in it the peak belongs.
struct Message {
    frame: Vec<u8>,
    peak_at: Option<usize>,
}

struct Armed {
    channel: RawFd,
    out_of_memory: Message,
    out_of_cpu: Message,
    deadline: Message,
}

static ARMED_WITH: OnceLock<Armed> = OnceLock::new();
static PEAK_BYTES: AtomicU64 = AtomicU64::new(0);

/// The process speaks for itself: nothing was armed yet, or all is said.
const SILENT: u8 = 0;
/// The next one may speak.
const READY: u8 = 1;
/// One is speaking and will end the process.
const SPEAKING: u8 = 2;
/// A frame is being written: whoever wants to speak has to wait for its end.
const HELD: u8 = 3;

/// Which words wait for the end of a frame.
static WAITING: AtomicU8 = AtomicU8::new(NOTHING);
const NOTHING: u8 = 0;
const OUT_OF_CPU: u8 = 1;
const DEADLINE: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(SILENT);

/// Prepares the words, to be written to `channel`, which must stay open as that number until the process
/// ends. Once in a process, after its fork; a second time changes nothing.
pub fn arm(channel: BorrowedFd<'_>, words: Words) {
    let armed = Armed {
        channel: channel.as_raw_fd(),
        out_of_memory: message(words.out_of_memory),
        out_of_cpu: message(words.out_of_cpu),
        deadline: message(words.deadline),
    };
    if ARMED_WITH.set(armed).is_ok() {
        STATE.store(READY, Ordering::SeqCst);
    }
}

/// From here on the process speaks for itself. Call it before the real last message is written, so
/// that the two never mix.
pub fn disarm() {
    let _ = STATE.compare_exchange(READY, SILENT, Ordering::SeqCst, Ordering::SeqCst);
}

/// Does `work`, which writes a frame to the channel: no words come into its middle. Those that a clock wanted to say
/// meanwhile are said at its end.
pub fn hold_while<T>(work: impl FnOnce() -> T) -> T {
    let held = STATE.compare_exchange(READY, HELD, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    let result = work();
    if held {
        STATE.store(READY, Ordering::SeqCst);
        match WAITING.load(Ordering::SeqCst) {
            OUT_OF_CPU => out_of_cpu(),
            DEADLINE => deadline(),
            _ => {}
        }
    }
    result
}

/// The most memory that the guest has had so far, in bytes, for the words to tell.
pub fn note_peak(bytes: u64) {
    PEAK_BYTES.store(bytes, Ordering::Relaxed);
}

fn message(frame: Vec<u8>) -> Message {
    let peak = PEAK.to_be_bytes();
    let peak_at = frame.windows(9).position(|bytes| bytes[0] == UINT64 && bytes[1..] == peak).map(|at| at + 1);
    Message { frame, peak_at }
}

/// Says that there is no memory, and ends the process. Returns where nothing is armed.
pub(super) fn out_of_memory() {
    if may_speak()
        && let Some(armed) = ARMED_WITH.get()
    {
        say(armed.channel, &armed.out_of_memory);
    }
    // Another thread is at it. To return would let this one abort the process in the middle of the words.
    while STATE.load(Ordering::SeqCst) == SPEAKING {
        hint::spin_loop();
    }
}

/// Says that the CPU time is used, and ends the process; in a signal handler. Returns where nothing is armed.
pub(super) fn out_of_cpu() {
    on_signal(OUT_OF_CPU, |armed| &armed.out_of_cpu);
}

/// Says that the time is over, and ends the process; in a signal handler. Returns where nothing is armed.
pub(super) fn deadline() {
    on_signal(DEADLINE, |armed| &armed.deadline);
}

/// A handler never waits: the one who is speaking may be the very thread that it interrupted.
fn on_signal(which: u8, choose: impl Fn(&Armed) -> &Message) {
    // First: whoever ends a hold at this moment sees either this, or is overtaken below.
    WAITING.store(which, Ordering::SeqCst);
    if may_speak()
        && let Some(armed) = ARMED_WITH.get()
    {
        say(armed.channel, choose(armed));
    }
}

fn may_speak() -> bool {
    STATE.compare_exchange(READY, SPEAKING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

fn say(channel: RawFd, message: &Message) -> ! {
    let mut buffer = [0; LONGEST];
    let length = message.frame.len().min(LONGEST);
    buffer[..length].copy_from_slice(&message.frame[..length]);
    if let Some(peak) = message.peak_at.and_then(|at| buffer.get_mut(at..at + 8)) {
        peak.copy_from_slice(&PEAK_BYTES.load(Ordering::Relaxed).to_be_bytes());
    }
    write_all(channel, &buffer[..length]);
    // SAFETY: `_exit` ends all threads without running anything of this process.
    unsafe { libc::_exit(0) }
}

fn write_all(channel: RawFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: pointer and length are those of a live slice. That the number is still the channel's is
        // upheld by `arm`'s caller.
        let written = unsafe { libc::write(channel, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{in_child::in_child, timer};
    use rustix::process::{Resource, Rlimit, setrlimit};
    use std::{fs::File, hint::black_box, os::fd::AsFd, thread, time::Duration};

    fn arm_in(channel: &File) {
        let words =
            Words { out_of_memory: b"memory".to_vec(), out_of_cpu: b"cpu".to_vec(), deadline: b"deadline".to_vec() };
        arm(channel.as_fd(), words);
    }

    #[test]
    fn a_process_without_memory_says_so() {
        let words = in_child(|channel| {
            let limit = Rlimit { current: Some(256 << 20), maximum: Some(256 << 20) };
            setrlimit(Resource::Data, limit).unwrap();
            arm_in(channel);
            black_box(vec![1_u8; 1 << 30]);
        });
        assert_eq!(words, b"memory");
    }

    #[test]
    fn a_process_without_cpu_time_says_so() {
        let words = in_child(|channel| {
            arm_in(channel);
            timer::install().unwrap();
            let _running = timer::start(None, Some(Duration::from_millis(20))).unwrap();
            loop {
                hint::spin_loop();
            }
        });
        assert_eq!(words, b"cpu");
    }

    #[test]
    fn words_wait_for_the_end_of_a_frame() {
        let words = in_child(|channel| {
            arm_in(channel);
            timer::install().unwrap();
            let _running = timer::start(Some(Duration::from_millis(5)), None).unwrap();
            hold_while(|| {
                write_all(channel.as_raw_fd(), b"frame ");
                while WAITING.load(Ordering::SeqCst) == NOTHING {
                    hint::spin_loop();
                }
                write_all(channel.as_raw_fd(), b"ends, ");
            });
            write_all(channel.as_raw_fd(), b"and more");
        });
        assert_eq!(words, b"frame ends, deadline");
    }

    #[test]
    fn a_process_at_its_deadline_says_so() {
        let words = in_child(|channel| {
            arm_in(channel);
            timer::install().unwrap();
            let _running = timer::start(Some(Duration::from_millis(20)), None).unwrap();
            thread::sleep(Duration::from_secs(60));
        });
        assert_eq!(words, b"deadline");
    }

    #[test]
    fn a_disarmed_process_speaks_for_itself() {
        let words = in_child(|channel| {
            arm_in(channel);
            disarm();
            out_of_memory();
            deadline();
            rustix::io::write(channel, b"all is well").unwrap();
        });
        assert_eq!(words, b"all is well");
    }

    #[test]
    fn the_peak_takes_its_place_in_the_message() {
        let words = in_child(|channel| {
            let mut frame = vec![1, UINT64];
            frame.extend(PEAK.to_be_bytes());
            frame.push(2);
            arm(channel.as_fd(), Words { out_of_memory: frame, out_of_cpu: Vec::new(), deadline: Vec::new() });
            note_peak(0x0102);
            out_of_memory();
        });
        assert_eq!(words, [1, UINT64, 0, 0, 0, 0, 0, 0, 1, 2, 2]);
    }
}
