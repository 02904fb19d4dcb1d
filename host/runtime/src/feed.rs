//! The input of a worker. It is moved from its source from the guest's first read on, and no further ahead than a pipe
//! holds. A guest that never reads takes nothing from whoever reads the same stream next, and a job in the background of
//! a terminal is not stopped for input that it does not want.
//!
//! A file is left where the guest stopped: what still lies in the pipe at the end is given back. A source that can't be read
//! is an error to the guest, not the end of its input.

use super::note::{Held, Note, Sender};
use super::output::{self, End, Meter};
use super::suspension;
use rustix::event::{EventfdFlags, PollFlags, eventfd};
use rustix::fs::{FileType, SeekFrom};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, pipe_with, splice};
use sandhog_sys::inherited;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// One stream into a worker, and into its children that inherit it. With the last of them it ends.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    state: Arc<Mutex<State>>,
    meter: Meter,
    /// Where the source is a file.
    file: Option<File>,
}

#[derive(Default)]
struct State {
    /// The source, and our end of the pipe; none once it has begun.
    ends: Option<(OwnedFd, OwnedFd)>,
    /// Those whose guests read, to be told of a failure.
    readers: Vec<Sender>,
    failed: Option<Errno>,
    /// Our end of a pipe that was made after the failure.
    held: Option<Held>,
}

/// What gives back what was not read of a file.
struct File {
    /// The open file that is read, to set its position.
    source: OwnedFd,
    /// The worker's end of the pipe: what lies there was not read.
    rest: OwnedFd,
    /// Becomes readable when nobody reads any more.
    bell: Arc<OwnedFd>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Feed {
    /// Nothing moves yet. The second is the worker's end.
    ///
    /// # Errors
    /// As pipe(2): EMFILE.
    pub fn new(from: OwnedFd, meter: Meter) -> io::Result<(Self, OwnedFd)> {
        let (theirs, to) = pipe_with(PipeFlags::CLOEXEC)?;
        let file = if output::kind(&from) == FileType::RegularFile {
            Some(File {
                source: from.try_clone()?,
                rest: theirs.try_clone()?,
                bell: Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?),
                thread: Mutex::default(),
            })
        } else {
            None
        };
        let state = Arc::new(Mutex::new(State { ends: Some((from, to)), ..State::default() }));
        Ok((Self(Arc::new(Shared { state, meter, file })), theirs))
    }

    /// For somebody who inherits it: the same one; or where it has failed already, one of its own that fails as well, with a
    /// worker's end of its own, since the pipe of the others has come to its end.
    ///
    /// # Errors
    /// As pipe(2): EMFILE.
    pub fn inherited(&self) -> io::Result<(Self, Option<OwnedFd>)> {
        let Some(errno) = locked(&self.0.state).failed else { return Ok((self.clone(), None)) };
        let (theirs, to) = pipe_with(PipeFlags::CLOEXEC)?;
        let state = State { failed: Some(errno), held: Some(Arc::new(to)), ..State::default() };
        let shared = Shared { state: Arc::new(Mutex::new(state)), meter: Meter::default(), file: None };
        Ok((Self(Arc::new(shared)), Some(theirs)))
    }

    /// A guest reads: the first one sets it going. `reader` is told where it fails.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn begin(&self, reader: Sender) -> io::Result<()> {
        let mut state = locked(&self.0.state);
        if let Some(errno) = state.failed {
            let _ = reader.try_send(Note::InputFailed(errno, state.held.take()));
            return Ok(());
        }
        // Those whose attempts have ended need no place: there may be many after each other.
        state.readers.retain(|reader| !reader.is_closed());
        state.readers.push(reader);
        let Some((from, to)) = state.ends.take() else { return Ok(()) };
        drop(state);
        self.start(from, to)
    }

    fn start(&self, from: OwnedFd, to: OwnedFd) -> io::Result<()> {
        let (state, meter) = (Arc::clone(&self.0.state), self.0.meter.clone());
        let bell = self.0.file.as_ref().map(|file| Arc::clone(&file.bell));
        let thread = Builder::new().name("stdin".into()).spawn(move || {
            let end = match &bell {
                Some(bell) => from_file(&from, &to, &meter, bell),
                None => from_stream(&from, &to, &meter),
            };
            if let End::Failed(errno) = end {
                fail(&state, errno, to);
            }
        })?;
        if let Some(file) = &self.0.file {
            *locked(&file.thread) = Some(thread);
        }
        Ok(())
    }

    /// Its attempt has ended. Where nobody else reads, what was not read of a file is given back: what was read, in bytes.
    pub fn settle(&mut self) -> u64 {
        if let Some(shared) = Arc::get_mut(&mut self.0) {
            shared.give_back();
        }
        self.0.meter.passed()
    }
}

impl Shared {
    fn give_back(&mut self) {
        let Some(file) = self.file.take() else { return };
        // Fails only where it has rung for a very long time.
        let _ = rustix::io::write(&*file.bell, &1_u64.to_ne_bytes());
        // It waits for nothing but the bell and the disk.
        if let Some(thread) = locked(&file.thread).take() {
            let _ = thread.join();
        }
        let unread = output::lies_in(&file.rest);
        self.meter.take_back(unread);
        // A file whose position is somebody else's by now is not ours to set.
        let _ = step_back(&file.source, unread);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these, and what they hold is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells all readers; the pipe ends when the last of them knows.
fn fail(state: &Mutex<State>, errno: Errno, to: OwnedFd) {
    let held: Held = Arc::new(to);
    let readers = {
        let mut state = locked(state);
        state.failed = Some(errno);
        std::mem::take(&mut state.readers)
    };
    for reader in readers {
        // One whose attempt has ended needs no word.
        let _ = reader.blocking_send(Note::InputFailed(errno, Some(Arc::clone(&held))));
    }
}

/// So much of a file has not been read after all.
fn step_back(source: &OwnedFd, bytes: u64) -> Result<(), Errno> {
    match i64::try_from(bytes) {
        Ok(bytes @ 1..) => rustix::fs::seek(source, SeekFrom::Current(-bytes)).map(drop),
        _ => Ok(()),
    }
}

/// Until its end, or until the bell rings.
fn from_file(from: &OwnedFd, to: &OwnedFd, meter: &Meter, bell: &OwnedFd) -> End {
    if let Err(errno) = rustix::io::ioctl_fionbio(to, true) {
        return End::Failed(errno);
    }
    loop {
        match rustix::io::retry_on_intr(|| splice(from, None, to, None, output::CHUNK, SpliceFlags::NONBLOCK)) {
            Ok(0) => return End::Finished,
            Ok(moved) => meter.count(moved),
            Err(Errno::AGAIN) if !output::rings_before((to, PollFlags::OUT), bell) => {}
            Err(Errno::AGAIN | Errno::PIPE) => return End::ReceiverGone,
            Err(Errno::INVAL | Errno::NOSYS) => return copied_from_file(from, to, meter, bell),
            Err(errno) => return End::Failed(errno),
        }
    }
}

/// As [`from_file`], of files that can't be spliced, such as those of /proc. What the pipe has no room for is read once more.
fn copied_from_file(from: &OwnedFd, to: &OwnedFd, meter: &Meter, bell: &OwnedFd) -> End {
    let mut buffer = vec![0; output::CHUNK];
    while !output::rings_before((to, PollFlags::OUT), bell) {
        let read = match rustix::io::retry_on_intr(|| rustix::io::read(from, &mut buffer)) {
            Ok(0) => return End::Finished,
            Ok(read) => read,
            Err(errno) => return End::Failed(errno),
        };
        let written = match rustix::io::retry_on_intr(|| rustix::io::write(to, &buffer[..read])) {
            Ok(written) => written,
            Err(Errno::AGAIN) => 0,
            Err(Errno::PIPE) => return End::ReceiverGone,
            Err(errno) => return End::Failed(errno),
        };
        meter.count(written);
        if let Err(errno) = step_back(from, (read - written) as u64) {
            return End::Failed(errno);
        }
    }
    End::ReceiverGone
}

/// Until the end of either.
fn from_stream(from: &OwnedFd, to: &OwnedFd, meter: &Meter) -> End {
    // A FIFO that nobody has opened for writing yet reads as if it had ended.
    if !rustix::termios::isatty(from) {
        output::wait_for(from, PollFlags::IN);
    }
    if output::gives_pages(from) {
        loop {
            match rustix::io::retry_on_intr(|| splice(from, None, to, None, output::CHUNK, SpliceFlags::empty())) {
                Ok(0) => return End::Finished,
                Ok(moved) => meter.count(moved),
                // Somebody has made it non-blocking.
                Err(Errno::AGAIN) => output::wait_for(from, PollFlags::IN),
                Err(Errno::INVAL | Errno::NOSYS) => break,
                Err(Errno::PIPE) => return End::ReceiverGone,
                Err(errno) => return End::Failed(errno),
            }
        }
    }
    copied_from_stream(from, to, meter)
}

/// Takes no more than the pipe has room for: it would be lost to whoever reads the same stream next.
fn copied_from_stream(from: &OwnedFd, to: &OwnedFd, meter: &Meter) -> End {
    let size = fcntl_getpipe_size(to).unwrap_or(output::CHUNK);
    let mut buffer = vec![0; size.min(output::CHUNK)];
    loop {
        output::wait_for(to, PollFlags::OUT);
        let lies = usize::try_from(output::lies_in(to)).unwrap_or(size);
        let max = size.saturating_sub(lies).clamp(1, buffer.len());
        stop_in_background(from);
        let read = match output::when_ready(from, PollFlags::IN, || rustix::io::read(from, &mut buffer[..max])) {
            Ok(0) => return End::Finished,
            Ok(read) => read,
            Err(errno) => return End::Failed(errno),
        };
        match output::write_all(to, &buffer[..read]) {
            Ok(()) => meter.count(read),
            Err(failure) => return output::ended(failure),
        }
    }
}

/// Whoever reads a terminal from the background is stopped, with its process group, until it is in the foreground. The kernel
/// would say so at each read (SIGTTIN, termios(3)), again and again until the process stands still; here it is said once.
/// What the kernel then says of an orphaned group, or where the signal is ignored, is for the read to hear.
fn stop_in_background(from: &OwnedFd) {
    let group = rustix::process::getpgrp();
    let is_in_background = rustix::termios::tcgetpgrp(from).is_ok_and(|foreground| foreground != group);
    if is_in_background && !inherited::ignores(libc::SIGTTIN) {
        let before = suspension::count();
        if rustix::process::kill_process_group(group, rustix::process::Signal::TTIN).is_ok() {
            suspension::wait_for_one_after(before);
        }
    }
}

/// The worker's end of an input that ends at once.
///
/// # Errors
/// As pipe(2): EMFILE.
pub(crate) fn nothing() -> io::Result<OwnedFd> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{Read, Seek, Write};
    use tokio::sync::mpsc;

    fn feed(from: OwnedFd) -> (Feed, fs::File, mpsc::Receiver<Note>) {
        let (feed, theirs) = Feed::new(from, Meter::default()).unwrap();
        let (sender, notes) = mpsc::channel(8);
        feed.begin(sender).unwrap();
        (feed, theirs.into(), notes)
    }

    fn file(bytes: usize) -> fs::File {
        let mut file = tempfile();
        file.write_all(&(0..bytes).map(|at| at as u8).collect::<Vec<_>>()).unwrap();
        file.rewind().unwrap();
        file
    }

    fn tempfile() -> fs::File {
        let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
        rustix::fs::open(std::env::temp_dir(), flags, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap().into()
    }

    #[test]
    fn a_file_is_left_where_its_reader_stopped() {
        for (length, wanted) in [(10_usize, 4_usize), (1 << 20, 5), (1 << 20, 100_000), (70_000, 70_000), (9, 0)] {
            let mut source = file(length);
            let (mut feed, mut reads, _notes) = feed(source.try_clone().unwrap().into());
            let mut read = vec![0; wanted];
            reads.read_exact(&mut read).unwrap();
            drop(reads);
            assert_eq!(feed.settle(), wanted as u64);
            assert_eq!(source.stream_position().unwrap(), wanted as u64, "{wanted} of {length}");
        }
    }

    #[test]
    fn what_another_reader_still_has_is_given_back_with_the_last_one() {
        let mut source = file(100);
        let (mut feed, mut reads, _notes) = feed(source.try_clone().unwrap().into());
        let child = feed.clone();
        reads.read_exact(&mut [0; 10]).unwrap();
        feed.settle();
        reads.read_exact(&mut [0; 10]).unwrap();
        drop((feed, child));
        assert_eq!(source.stream_position().unwrap(), 20);
    }

    #[test]
    fn nothing_is_read_before_somebody_reads() {
        let mut source = file(100);
        let (feed, _theirs) = Feed::new(source.try_clone().unwrap().into(), Meter::default()).unwrap();
        drop(feed);
        assert_eq!(source.stream_position().unwrap(), 0);
    }

    #[test]
    fn a_directory_is_an_error_and_not_an_end() {
        let (_feed, mut reads, mut notes) = feed(fs::File::open("/").unwrap().into());
        let Some(Note::InputFailed(errno, held)) = notes.blocking_recv() else { panic!("no word of the failure") };
        assert_eq!(errno, Errno::ISDIR);
        // Whoever reads waits until it has been told.
        rustix::io::ioctl_fionbio(&reads, true).unwrap();
        assert_eq!(reads.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        rustix::io::ioctl_fionbio(&reads, false).unwrap();
        drop(held);
        assert_eq!(reads.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn who_inherits_after_a_failure_hears_of_it_before_the_end() {
        let (feed, _reads, mut notes) = feed(fs::File::open("/").unwrap().into());
        assert!(matches!(notes.blocking_recv(), Some(Note::InputFailed(Errno::ISDIR, Some(_)))));
        let (child, reads) = feed.inherited().unwrap();
        let reads = reads.unwrap();
        let (sender, mut notes) = mpsc::channel(8);
        child.begin(sender).unwrap();
        let Some(Note::InputFailed(errno, Some(held))) = notes.blocking_recv() else {
            panic!("no word of the failure")
        };
        assert_eq!(errno, Errno::ISDIR);
        drop((held, child));
        assert_eq!(fs::File::from(reads).read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn readers_that_have_ended_are_not_kept() {
        let (theirs, _ours) = std::os::unix::net::UnixStream::pair().unwrap();
        let (feed, _reads, _notes) = feed(theirs.into());
        for _ in 0..1000 {
            let (sender, notes) = mpsc::channel(8);
            drop(notes);
            feed.begin(sender).unwrap();
        }
        assert!(locked(&feed.0.state).readers.len() <= 2);
    }

    #[test]
    fn a_stream_is_read_no_further_ahead_than_a_pipe_holds() {
        let (theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
        let (_feed, reads, _notes) = feed(theirs.try_clone().unwrap().into());
        let writer = std::thread::spawn(move || {
            let mut ours = ours;
            for _ in 0..100 {
                ours.write_all(&[7; 4096]).unwrap();
            }
        });
        // The pipe is full when what lies in it does not grow any more, and by then all is written that can be.
        let size = fcntl_getpipe_size(&reads).unwrap() as u64;
        while output::lies_in(&reads) < size {
            std::thread::yield_now();
        }
        let mut rest = 0;
        let mut there = [0; 8192];
        let mut theirs = theirs;
        while rest < 100 * 4096 - size {
            rest += theirs.read(&mut there).unwrap() as u64;
        }
        writer.join().unwrap();
        assert_eq!(rest + output::lies_in(&reads), 100 * 4096);
    }
}
