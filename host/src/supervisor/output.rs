//! Moves bytes between a worker's pipes and the streams of whoever started it: counted, bounded, without a copy
//! where the kernel can do without one.

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::unix::AsyncFd;

/// What one move takes at the most, in bytes: the size of a pipe (pipe(7)). More would not come.
const CHUNK: usize = 64 << 10;

/// What one read of a kept stream takes at the most, in bytes: a part of a pipe, since each stream has its own while it is
/// being kept.
const COLLECTED: usize = 16 << 10;

/// Writes to a terminal where something else writes as well: calls what it is given once, while nothing else writes. That says
/// whether what it wrote ended a line.
pub(crate) type Beside = Arc<dyn Fn(&mut dyn FnMut() -> bool) + Send + Sync>;

/// Keeps what a stream brings.
pub(crate) trait Sink: Send {
    /// Takes it; done when there is room for more.
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    /// Nothing more comes.
    fn end(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// How a stream came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The sender has closed and everything is through.
    Finished,
    /// The receiver has gone.
    ReceiverGone,
    /// The limit is used up and there was more.
    LimitReached,
    /// Reading or writing failed.
    Failed(Errno),
}

/// How much may pass; shared by the streams that are limited together.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    limit: Option<u64>,
    together: Arc<AtomicU64>,
    alone: Arc<AtomicU64>,
    /// What counts this along with more: of a child, its parent's.
    around: Option<Arc<Meter>>,
}

impl Meter {
    /// Limits what passes through this meter and its [`Self::beside`]s together, in bytes.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Limits what passes through it, and what passes through it and all around it together.
    pub(crate) fn within(limit: Option<u64>, around: Option<&Self>) -> Self {
        Self { limit, around: around.map(|around| Arc::new(around.beside())), ..Self::default() }
    }

    /// Another stream under the same limit.
    pub(crate) fn beside(&self) -> Self {
        Self {
            limit: self.limit,
            together: Arc::clone(&self.together),
            alone: Arc::default(),
            around: self.around.clone(),
        }
    }

    /// What has passed through this stream, in bytes.
    pub(crate) fn passed(&self) -> u64 {
        self.alone.load(Ordering::Relaxed)
    }

    fn left(&self) -> u64 {
        let own = self.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.together.load(Ordering::Relaxed)));
        self.around.as_ref().map_or(own, |around| own.min(around.left()))
    }

    fn count(&self, bytes: usize) {
        self.alone.fetch_add(bytes as u64, Ordering::Relaxed);
        self.together.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(around) = &self.around {
            around.count(bytes);
        }
    }
}

/// Moves everything from one to the other; returns at the end of either. Blocks: for a thread of its own. Two
/// streams that share a limit and write at the same moment may pass one chunk more than the limit together.
pub(crate) fn pump(from: &OwnedFd, to: impl AsFd, meter: &Meter, beside: Option<&Beside>) -> End {
    let mut mover = Mover::between(from, &to);
    // A FIFO that nobody has opened for writing yet reads as if it had ended.
    wait_for(from, rustix::event::PollFlags::IN);
    loop {
        let left = meter.left();
        if left == 0 {
            return at_limit(from);
        }
        let most = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        match mover.move_some(from, &to, most, beside) {
            Ok(0) => return End::Finished,
            Ok(moved) => meter.count(moved),
            Err(Failure::Unsuitable) => mover = Mover::copy(),
            Err(Failure::Read(errno)) => return End::Failed(errno),
            Err(Failure::Write(Errno::PIPE)) => return End::ReceiverGone,
            Err(Failure::Write(errno)) => return End::Failed(errno),
        }
    }
}

/// Hands everything to whoever keeps it; returns at the end of the stream, or at the limit.
pub(crate) async fn collect(from: &AsyncFd<OwnedFd>, mut sink: Box<dyn Sink>, meter: &Meter) -> End {
    let end = loop {
        let Ok(mut ready) = from.readable().await else { break End::Finished };
        // Only while there is something to read: there may be thousands of streams that say nothing.
        let mut buffer = vec![0; COLLECTED];
        match rustix::io::retry_on_intr(|| rustix::io::read(from.get_ref(), &mut buffer)) {
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(errno) => break End::Failed(errno),
            Ok(0) => break End::Finished,
            Ok(read) => {
                let most = usize::try_from(meter.left()).unwrap_or(usize::MAX).min(read);
                meter.count(most);
                sink.write(&buffer[..most]).await;
                if most < read {
                    break End::LimitReached;
                }
            }
        }
    };
    sink.end().await;
    end
}

/// Nothing more may pass: an end is fine, one byte more is too much.
fn at_limit(from: &OwnedFd) -> End {
    match rustix::io::retry_on_intr(|| rustix::io::read(from, &mut [0_u8])) {
        Ok(0) => End::Finished,
        Ok(_) => End::LimitReached,
        Err(errno) => End::Failed(errno),
    }
}

enum Mover {
    /// splice(2): pages change hands.
    Splice,
    /// For files, and for what can't be spliced.
    Copy(Box<[u8]>),
}

enum Failure {
    Unsuitable,
    Read(Errno),
    Write(Errno),
}

impl Mover {
    /// Spliced is between pipes, from files, and to devices that are no terminals.
    ///
    /// Whoever splices from or to a terminal or a socket holds the pipe's lock while it waits for them, and then nobody can
    /// close the pipe: a process that ends waits for a key to be pressed, and no signal reaches it. Files are written:
    /// stdout and stderr may be one open file, and only write(2) moves its offset under a lock.
    fn between(from: &OwnedFd, to: &impl AsFd) -> Self {
        let kind = |fd: BorrowedFd<'_>| {
            rustix::fs::fstat(fd).map_or(FileType::Unknown, |status| FileType::from_raw_mode(status.st_mode))
        };
        let gives = matches!(kind(from.as_fd()), FileType::Fifo | FileType::RegularFile);
        let takes = match kind(to.as_fd()) {
            FileType::Fifo => true,
            FileType::CharacterDevice => !rustix::termios::isatty(to),
            _ => false,
        };
        if gives && takes { Self::Splice } else { Self::copy() }
    }

    fn copy() -> Self {
        Self::Copy(vec![0; CHUNK].into_boxed_slice())
    }

    fn move_some(
        &mut self,
        from: &OwnedFd,
        to: &impl AsFd,
        most: usize,
        beside: Option<&Beside>,
    ) -> Result<usize, Failure> {
        match self {
            Self::Splice => {
                match rustix::io::retry_on_intr(|| splice(from, None, to, None, most, SpliceFlags::empty())) {
                    Ok(moved) => Ok(moved),
                    Err(Errno::INVAL | Errno::NOSYS | Errno::AGAIN) => Err(Failure::Unsuitable),
                    Err(errno) => Err(Failure::Write(errno)),
                }
            }
            Self::Copy(buffer) => {
                let most = most.min(buffer.len());
                let read =
                    when_ready(from, rustix::event::PollFlags::IN, || rustix::io::read(from, &mut buffer[..most]))
                        .map_err(Failure::Read)?;
                let bytes = &buffer[..read];
                match beside {
                    // Nothing is written at the end of the input.
                    Some(beside) if read > 0 => {
                        let mut written = Ok(());
                        beside(&mut || {
                            written = write_all(to, bytes);
                            bytes.ends_with(b"\n")
                        });
                        written?;
                    }
                    Some(_) | None => write_all(to, bytes)?,
                }
                Ok(read)
            }
        }
    }
}

fn write_all(to: &impl AsFd, mut rest: &[u8]) -> Result<(), Failure> {
    while !rest.is_empty() {
        let written = when_ready(to, rustix::event::PollFlags::OUT, || rustix::io::write(to, rest));
        rest = &rest[written.map_err(Failure::Write)?..];
    }
    Ok(())
}

/// A stream that somebody else has made non-blocking is waited for all the same.
fn when_ready<T>(
    fd: &impl AsFd,
    flags: rustix::event::PollFlags,
    mut call: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    loop {
        match rustix::io::retry_on_intr(&mut call) {
            Err(Errno::AGAIN) => {
                wait_for(fd, flags);
            }
            answer => return answer,
        }
    }
}

/// Until it is ready. What poll(2) could say instead, the call that follows says better.
fn wait_for(fd: &impl AsFd, flags: rustix::event::PollFlags) {
    let _ = rustix::io::retry_on_intr(|| rustix::event::poll(&mut [rustix::event::PollFd::new(fd, flags)], None));
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;

    fn filled(bytes: usize) -> OwnedFd {
        let (from, to) = pipe().unwrap();
        rustix::io::write(&to, &vec![b'x'; bytes]).unwrap();
        from
    }

    #[test]
    fn only_between_pipes_is_waited_in_a_splice() {
        let (reads, writes) = pipe().unwrap();
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(matches!(Mover::between(&reads, &writes), Mover::Splice));
        assert!(matches!(Mover::between(&here.into(), &writes), Mover::Copy(_)));
        assert!(matches!(Mover::between(&reads, &there), Mover::Copy(_)));
    }

    #[test]
    fn everything_passes_and_is_counted() {
        let (reads, writes) = pipe().unwrap();
        let meter = Meter::new(None);
        assert_eq!(pump(&filled(5000), &writes, &meter, None), End::Finished);
        assert_eq!((meter.passed(), rustix::io::read(&reads, &mut [0; 9000]).unwrap()), (5000, 5000));
    }

    #[test]
    fn exactly_the_limit_is_no_breach_and_one_byte_more_is() {
        let (_reads, writes) = pipe().unwrap();
        assert_eq!(pump(&filled(100), &writes, &Meter::new(Some(100)), None), End::Finished);
        let meter = Meter::new(Some(100));
        assert_eq!(pump(&filled(101), &writes, &meter, None), End::LimitReached);
        assert_eq!(meter.passed(), 100);
    }

    #[test]
    fn streams_side_by_side_share_one_limit() {
        let (_reads, writes) = pipe().unwrap();
        let meter = Meter::new(Some(100));
        assert_eq!(pump(&filled(60), &writes, &meter, None), End::Finished);
        assert_eq!(pump(&filled(60), &writes, &meter.beside(), None), End::LimitReached);
    }

    #[test]
    fn a_receiver_that_has_gone_is_no_failure() {
        let (reads, writes) = pipe().unwrap();
        drop(reads);
        assert_eq!(pump(&filled(1), &writes, &Meter::new(None), None), End::ReceiverGone);
    }

    #[test]
    fn a_file_opened_for_appending_is_written_as_well() {
        let path = std::env::temp_dir().join(format!("sandhog-append-{}", std::process::id()));
        let file = std::fs::File::options().append(true).create(true).open(&path).unwrap();
        assert_eq!(pump(&filled(70), &file, &Meter::new(None), None), End::Finished);
        assert_eq!(std::fs::read(&path).unwrap().len(), 70);
        std::fs::remove_file(path).unwrap();
    }
}
