//! The file of `--verdict`: found to be writable before the job starts, written whole or not at all at its end.

use super::whole_file::{WholeFile, parent};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a finished command waits for the reader of a FIFO or a full pipe, at most: long enough for a reader that
/// is being started, and nobody takes the command for hanging.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it looks for a FIFO's reader: the kernel tells nobody when one comes.
const LOOK: Duration = Duration::from_millis(5);

/// Where the verdict goes.
#[derive(Debug)]
pub struct VerdictFile {
    path: PathBuf,
    destination: Destination,
}

#[derive(Debug)]
enum Destination {
    /// A regular file, or none yet: written beside it and renamed, so that nobody sees half a verdict.
    Beside(WholeFile),
    /// A FIFO, a device, or a file that somebody else holds open (`/dev/fd/N`): written to.
    Straight(File),
    /// A FIFO that nobody has opened for reading yet.
    Unread,
}

/// Why the verdict could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("--verdict \"{}\": a directory, not a file", .0.display())]
    Directory(PathBuf),
    #[error("--verdict \"{}\": failed to open it for writing", .path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("--verdict \"{}\": failed to write it", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl VerdictFile {
    /// Finds out whether the verdict can be written, before anything is started; leaves no trace and waits for
    /// nobody. Call it with the identity of the person who asked.
    ///
    /// # Errors
    /// [`Error::Directory`]; [`Error::Open`] where the directory is missing or closed to us.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Open { path: path.into(), source };
        let is_directory = fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
        if is_directory || path.file_name().is_none() {
            return Err(Error::Directory(path.into()));
        }
        Ok(Self { path: path.into(), destination: find(path).map_err(failed)? })
    }

    /// Writes the line and its end. Waits for a slow reader, but not for long.
    ///
    /// # Errors
    /// [`Error::Write`]; what was there before is then still there, unless it is no regular file.
    pub fn write(self, line: &str) -> Result<(), Error> {
        let line = format!("{line}\n");
        let deadline = Instant::now() + PATIENCE;
        let written = match self.destination {
            Destination::Straight(file) => write_by(&file, line.as_bytes(), deadline),
            Destination::Unread => {
                await_reader(&self.path, deadline).and_then(|file| write_by(&file, line.as_bytes(), deadline))
            }
            Destination::Beside(file) => file.write(|file| file.write_all(line.as_bytes())),
        };
        written.map_err(|source| Error::Write { path: self.path, source })
    }
}

fn find(path: &Path) -> io::Result<Destination> {
    if is_descriptor(path) {
        return straight(path);
    }
    match fs::canonicalize(path) {
        // The file that a link leads to is replaced, not the link.
        Ok(target) if fs::metadata(&target)?.is_file() => Ok(Destination::Beside(WholeFile::at(&target)?)),
        Ok(_) => straight(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            Ok(Destination::Beside(WholeFile::at(path)?))
        }
        Err(error) => Err(error),
    }
}

/// A name for an open file: `/dev/fd/3`, `/dev/stderr`, `/proc/self/fd/3`.
fn is_descriptor(path: &Path) -> bool {
    let in_proc = |path: io::Result<PathBuf>| path.is_ok_and(|path| path.starts_with("/proc"));
    in_proc(fs::canonicalize(parent(path))) || in_proc(fs::read_link(path))
}

fn straight(path: &Path) -> io::Result<Destination> {
    match append(path) {
        Ok(file) => Ok(Destination::Straight(file)),
        Err(Errno::NXIO) => Ok(Destination::Unread),
        Err(error) => Err(error.into()),
    }
}

/// Opened for writing at the end of what is there: whoever holds it open may have written already. It never waits:
/// a FIFO without a reader is ENXIO (fifo(7)).
fn append(path: &Path) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).map(File::from)
}

fn await_reader(path: &Path, deadline: Instant) -> io::Result<File> {
    loop {
        match append(path) {
            Err(Errno::NXIO) if Instant::now() < deadline => std::thread::sleep(LOOK),
            Err(Errno::NXIO) => return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads from it")),
            answer => return Ok(answer?),
        }
    }
}

fn write_by(mut file: &File, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => await_room(file, deadline)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn await_room(file: &File, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&left)) {
        Ok(0) => Err(io::Error::new(io::ErrorKind::TimedOut, "its reader does not read")),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FileType, mknodat, open};
    use std::os::unix::fs::symlink;

    /// A directory of its own for each test, removed at its end.
    struct Scratch(tempfile::TempDir);

    impl Scratch {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn fifo(&self) -> PathBuf {
            let path = self.path("fifo");
            mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
            path
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    fn write(path: &Path, line: &str) -> Result<(), Error> {
        VerdictFile::open(path)?.write(line)
    }

    #[test]
    fn a_verdict_replaces_the_one_before_and_leaves_nothing_else() {
        let scratch = Scratch::new();
        let path = scratch.path("v.json");
        write(&path, "{1}").unwrap();
        write(&path, "{2}").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{2}\n");
        assert_eq!(scratch.names(), ["v.json"]);
    }

    #[test]
    fn a_reader_of_the_old_verdict_keeps_it_whole() {
        let scratch = Scratch::new();
        let path = scratch.path("v.json");
        write(&path, "{1}").unwrap();
        let old = File::open(&path).unwrap();
        write(&path, "{2}").unwrap();
        assert_eq!(io::read_to_string(old).unwrap(), "{1}\n");
    }

    #[test]
    fn opening_leaves_no_trace() {
        let scratch = Scratch::new();
        drop(VerdictFile::open(&scratch.path("v.json")).unwrap());
        assert!(scratch.names().is_empty());
    }

    #[test]
    fn a_link_stays_a_link() {
        let scratch = Scratch::new();
        let (target, link) = (scratch.path("target"), scratch.path("link"));
        fs::write(&target, "old").unwrap();
        symlink("target", &link).unwrap();
        write(&link, "{}").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "{}\n");
    }

    #[test]
    fn what_cannot_be_written_is_known_before_the_start() {
        let scratch = Scratch::new();
        symlink("nowhere", scratch.path("dangling")).unwrap();
        assert!(matches!(VerdictFile::open(scratch.0.path()), Err(Error::Directory(_))));
        assert!(matches!(VerdictFile::open(Path::new("/")), Err(Error::Directory(_))));
        for name in ["missing/v.json", "dangling"] {
            assert!(matches!(VerdictFile::open(&scratch.path(name)), Err(Error::Open { .. })), "{name}");
        }
    }

    #[test]
    fn a_file_that_somebody_holds_open_is_written_to_at_its_end() {
        use std::os::fd::AsRawFd;
        let scratch = Scratch::new();
        let path = scratch.path("log");
        fs::write(&path, "before\n").unwrap();
        let held = File::open(&path).unwrap();
        write(Path::new(&format!("/dev/fd/{}", held.as_raw_fd())), "{}").unwrap();
        assert_eq!(io::read_to_string(held).unwrap(), "before\n{}\n");
        assert_eq!(scratch.names(), ["log"]);
    }

    #[test]
    fn a_pipe_gets_the_verdict() {
        use std::os::fd::AsRawFd;
        let (reader, writer) = io::pipe().unwrap();
        write(Path::new(&format!("/proc/self/fd/{}", writer.as_raw_fd())), "{}").unwrap();
        drop(writer);
        assert_eq!(io::read_to_string(reader).unwrap(), "{}\n");
    }

    #[test]
    fn a_fifo_that_nobody_reads_is_waited_for_at_the_end_and_not_for_ever() {
        let scratch = Scratch::new();
        let path = scratch.fifo();
        let file = VerdictFile::open(&path).unwrap();
        assert!(matches!(file.destination, Destination::Unread));
        let error = await_reader(&path, Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let reader = std::thread::spawn(move || fs::read_to_string(path).unwrap());
        file.write("{}").unwrap();
        assert_eq!(reader.join().unwrap(), "{}\n");
    }

    #[test]
    fn a_reader_that_does_not_read_is_not_waited_for_for_ever() {
        let scratch = Scratch::new();
        let path = scratch.fifo();
        let _reader = open(&path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
        let Destination::Straight(file) = VerdictFile::open(&path).unwrap().destination else { panic!() };
        let error = write_by(&file, &vec![b'x'; 1 << 20], Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_fifo_gets_the_verdict() {
        let scratch = Scratch::new();
        let path = scratch.fifo();
        let reading = path.clone();
        let reader = std::thread::spawn(move || fs::read_to_string(reading).unwrap());
        write(&path, "{}").unwrap();
        assert_eq!(reader.join().unwrap(), "{}\n");
        assert_eq!(scratch.names(), ["fifo"]);
    }
}
