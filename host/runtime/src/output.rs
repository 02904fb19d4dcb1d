//! Moves bytes between a worker's pipes and the streams of whoever started it: counted, bounded, without a copy
//! where the kernel can do without one.

mod calls;
mod end;
mod harmless;
mod manner;
mod meter;
mod mover;

pub use end::End;
pub(super) use end::ended;
pub(super) use harmless::Harmless;
pub(super) use manner::CHUNK;
pub use manner::{Beside, Manner};
pub use meter::Meter;
pub(super) use mover::{gives_pages, kind, lies_in, rings_before, wait_for, when_ready, write_all};

use mover::{Failure, Mover};
use rustix::event::{EventfdFlags, PollFlags, eventfd};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// What one read of a kept stream takes at the most, in bytes: a part of a pipe, since each stream has its own while it is
/// being kept.
const COLLECTED: usize = 16 << 10;

/// Keeps what a stream brings.
pub trait Sink: Send {
    /// Takes it; done when there is room for more.
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    /// Nothing more comes.
    fn end(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Tells those that wait for a worker's streams that it has been gone for a while. All that it wrote lies in them by now: so
/// much is still passed on, and then a stream is at its end, whoever else may hold it open. Its own processes hold none of
/// them; what was taken over may have handed an end on.
pub(crate) struct Over {
    told: watch::Sender<bool>,
    /// The same for a thread; made where there is one.
    bell: Option<Arc<OwnedFd>>,
}

impl Over {
    pub(crate) fn new() -> Self {
        Self { told: watch::Sender::new(false), bell: None }
    }

    pub(crate) fn hear(&self) -> watch::Receiver<bool> {
        self.told.subscribe()
    }

    /// Becomes readable, and stays so.
    ///
    /// # Errors
    /// As eventfd(2): EMFILE.
    pub(crate) fn bell(&mut self) -> io::Result<Arc<OwnedFd>> {
        let bell = match self.bell.take() {
            Some(bell) => bell,
            None => Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?),
        };
        Ok(Arc::clone(self.bell.insert(bell)))
    }

    pub(crate) fn tell(&self) {
        self.told.send_replace(true);
        if let Some(bell) = &self.bell {
            // Fails only where it has rung for a very long time.
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
    }
}

/// Until it is told; for ever where it never will be.
pub async fn is_over(over: &mut watch::Receiver<bool>) {
    if over.wait_for(|over| *over).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Moves everything from one to the other; returns at the end of either, or with `over` (see [`Over::bell`]) at the end of
/// what lies in it then. Blocks: for a thread of its own. Two streams that share a limit and write at the same moment may
/// pass one chunk more than the limit together.
pub fn pump(from: &OwnedFd, to: impl AsFd, meter: &Meter, manner: &Manner, over: Option<&OwnedFd>) -> End {
    if manner.calls {
        return calls::pump(from, to, meter, over);
    }
    let mut mover = Mover::between(from, &to, manner);
    let end = move_all(&mut mover, from, &to, meter, over);
    // What it holds back of a sequence that has no end, and the end of a colour.
    match (&end, mover.finish(&to)) {
        (End::Finished, Err(failure)) => ended(failure),
        _ => end,
    }
}

fn move_all(mover: &mut Mover, from: &OwnedFd, to: &impl AsFd, meter: &Meter, over: Option<&OwnedFd>) -> End {
    // Known once it is over.
    let mut rest = None;
    let mut is_empty = over.is_none();
    loop {
        let left = meter.left();
        // A splice says by itself that there is nothing, so that most need no look beforehand.
        let looks = is_empty || left == 0 || mover.copies();
        if rest.is_none() && looks && over.is_some_and(|over| rings_before((from, PollFlags::IN), over)) {
            rest = Some(lies_in(from));
        }
        match rest {
            Some(0) => return End::Finished,
            Some(_) | None if left == 0 => return at_limit(from),
            Some(_) | None => {}
        }
        let max = CHUNK.min(usize::try_from(left.min(rest.unwrap_or(u64::MAX))).unwrap_or(CHUNK));
        match mover.move_some(from, to, max, looks || rest.is_some()) {
            Ok(0) => return End::Finished,
            Ok(moved) => {
                meter.count(moved);
                rest = rest.map(|rest| rest.saturating_sub(moved as u64));
                is_empty = over.is_none();
            }
            Err(Failure::Empty) => is_empty = true,
            Err(Failure::Unsuitable) => mover.copy(),
            Err(failure) => return ended(failure),
        }
    }
}

/// Hands everything to whoever keeps it; returns at the end of the stream, at the limit, or once it is over at the end of what
/// lies in it then.
pub async fn collect(
    from: &AsyncFd<OwnedFd>,
    mut sink: Box<dyn Sink>,
    meter: &Meter,
    mut over: watch::Receiver<bool>,
) -> End {
    let mut rest = None;
    let end = loop {
        let ready = match rest {
            Some(0) => break End::Finished,
            Some(_) => None,
            None => tokio::select! {
                biased;
                () = is_over(&mut over) => {
                    rest = Some(lies_in(from.get_ref()));
                    continue;
                }
                ready = from.readable() => match ready {
                    Ok(ready) => Some(ready),
                    Err(_) => break End::Finished,
                },
            },
        };
        // Only while there is something to read: there may be thousands of streams that say nothing.
        let mut buffer = vec![0; COLLECTED.min(usize::try_from(rest.unwrap_or(u64::MAX)).unwrap_or(COLLECTED))];
        match rustix::io::retry_on_intr(|| rustix::io::read(from.get_ref(), &mut buffer)) {
            Err(Errno::AGAIN) => match ready {
                Some(mut ready) => ready.clear_ready(),
                None => break End::Finished,
            },
            Err(errno) => break End::Failed(errno),
            Ok(0) => break End::Finished,
            Ok(read) => {
                rest = rest.map(|rest: u64| rest.saturating_sub(read as u64));
                let max = usize::try_from(meter.left()).unwrap_or(usize::MAX).min(read);
                meter.count(max);
                sink.write(&buffer[..max]).await;
                if max < read {
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;

    const PLAIN: Manner = Manner { beside: None, harmless: false, calls: false };

    fn filled(bytes: usize) -> OwnedFd {
        let (from, to) = pipe().unwrap();
        rustix::io::write(&to, &vec![b'x'; bytes]).unwrap();
        from
    }

    #[test]
    fn everything_passes_and_is_counted() {
        let (reads, writes) = pipe().unwrap();
        let meter = Meter::new(None);
        assert_eq!(pump(&filled(5000), &writes, &meter, &PLAIN, None), End::Finished);
        assert_eq!((meter.passed(), rustix::io::read(&reads, &mut [0; 9000]).unwrap()), (5000, 5000));
    }

    #[test]
    fn exactly_the_limit_is_no_breach_and_one_byte_more_is() {
        let (_reads, writes) = pipe().unwrap();
        assert_eq!(pump(&filled(100), &writes, &Meter::new(Some(100)), &PLAIN, None), End::Finished);
        let meter = Meter::new(Some(100));
        assert_eq!(pump(&filled(101), &writes, &meter, &PLAIN, None), End::LimitReached);
        assert_eq!(meter.passed(), 100);
    }

    #[test]
    fn streams_side_by_side_share_one_limit() {
        let (_reads, writes) = pipe().unwrap();
        let meter = Meter::new(Some(100));
        assert_eq!(pump(&filled(60), &writes, &meter, &PLAIN, None), End::Finished);
        assert_eq!(pump(&filled(60), &writes, &meter.beside(), &PLAIN, None), End::LimitReached);
    }

    #[test]
    fn a_receiver_that_has_gone_is_no_failure() {
        let (reads, writes) = pipe().unwrap();
        drop(reads);
        assert_eq!(pump(&filled(1), &writes, &Meter::new(None), &PLAIN, None), End::ReceiverGone);
    }

    /// Somebody who was handed an end of a worker's pipe can keep nobody waiting for more.
    #[test]
    fn once_it_is_over_what_lies_in_a_pipe_that_somebody_holds_passes_and_no_more() {
        for (kind, to) in [("splice", None), ("copy", Some(std::os::unix::net::UnixStream::pair().unwrap()))] {
            let (from, holds) = pipe().unwrap();
            let (reads, writes) = pipe().unwrap();
            let (reads, writes): (OwnedFd, OwnedFd) = to.map_or((reads, writes), |(a, b)| (a.into(), b.into()));
            rustix::io::write(&holds, &[b'x'; 5000]).unwrap();
            let mut over = Over::new();
            let bell = over.bell().unwrap();
            let meter = Meter::new(None);
            std::thread::scope(|scope| {
                let pumping = scope.spawn(|| pump(&from, &writes, &meter, &PLAIN, Some(&*bell)));
                // It has passed on what was there, and waits.
                let mut passed = 0;
                while passed < 5000 {
                    passed += rustix::io::read(&reads, &mut [0; 9000]).unwrap();
                }
                over.tell();
                assert_eq!(pumping.join().unwrap(), End::Finished, "{kind}");
            });
            rustix::io::write(&holds, &[b'x'; 3000]).unwrap();
            assert_eq!(pump(&from, &writes, &meter, &PLAIN, Some(&*bell)), End::Finished, "{kind}");
            assert_eq!(meter.passed(), 8000, "{kind}");
        }
    }

    /// Keeps the bytes; while it does, somebody else writes more.
    struct Fed(Arc<std::sync::Mutex<Vec<u8>>>, OwnedFd);

    impl Sink for Fed {
        fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            rustix::io::write(&self.1, bytes).unwrap();
            Box::pin(std::future::ready(()))
        }

        fn end(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn once_it_is_over_a_kept_stream_ends_however_much_somebody_writes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (from, holds) = pipe().unwrap();
            rustix::io::ioctl_fionbio(&from, true).unwrap();
            rustix::io::write(&holds, &[b'x'; 5000]).unwrap();
            let (kept, over) = (Arc::<std::sync::Mutex<Vec<u8>>>::default(), Over::new());
            over.tell();
            let sink = Box::new(Fed(Arc::clone(&kept), holds));
            let from = sandhog_sys::ready::watch(from).unwrap();
            assert_eq!(collect(&from, sink, &Meter::new(None), over.hear()).await, End::Finished);
            assert_eq!(kept.lock().unwrap().len(), 5000, "what lay in it");
        });
    }

    #[test]
    fn a_file_opened_for_appending_is_written_as_well() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = std::fs::File::options().append(true).create(true).open(&path).unwrap();
        assert_eq!(pump(&filled(70), &file, &Meter::new(None), &PLAIN, None), End::Finished);
        assert_eq!(std::fs::read(&path).unwrap().len(), 70);
    }
}
