//! The output of a task: in memory while it is short, then in an unnamed file.
//!
//! Must not: hold more than [`IN_MEMORY`] of it in memory, or lose a byte in silence: where the disk is full the task has failed.

use rustix::fs::{Mode, OFlags, unlink};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Bytes of one stream that stay in memory. Most answers are shorter than a pipe's buffer.
pub const IN_MEMORY: usize = 64 << 10;

/// Read back at once, in bytes: as much as a pipe holds (pipe(7)).
const CHUNK: usize = 64 << 10;

/// Where the file lies, unless `TMPDIR` names another place: on a disk (hier(7)), as `/tmp` and the runtime directory often are
/// not. Memory is what the file is there to save.
const PLACES: [&str; 2] = ["/var/tmp", "/tmp"];

/// Why not all of it is there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to make a file in {place:?} for what it wrote; TMPDIR names another place")]
    Open {
        place: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to keep what it wrote in a file; TMPDIR names another place for that")]
    Write(#[source] io::Error),
    #[error("failed to read back what it wrote")]
    Read(#[source] io::Error),
    /// To whoever it was for.
    #[error("failed to pass on what it wrote")]
    Pass(#[source] io::Error),
}

/// All that came out of one stream.
#[derive(Debug, Default)]
pub struct Captured {
    /// Empty where there is a file.
    bytes: Vec<u8>,
    file: Option<File>,
    length: u64,
    failure: Option<Error>,
}

impl Captured {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether it takes a descriptor rather than memory.
    #[must_use]
    pub fn is_in_file(&self) -> bool {
        self.file.is_some()
    }

    /// Why it is not whole. What came before the failure is there.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Takes more. After a failure nothing more is kept, and the first failure stays.
    pub fn append(&mut self, bytes: &[u8]) {
        if self.failure.is_some() || bytes.is_empty() {
            return;
        }
        match self.keep(bytes) {
            Ok(()) => self.length += bytes.len() as u64,
            Err(error) => self.failure = Some(error),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(file) = &mut self.file {
            return file.write_all(bytes).map_err(Error::Write);
        }
        if self.bytes.len() + bytes.len() <= IN_MEMORY {
            self.bytes.extend_from_slice(bytes);
            return Ok(());
        }
        let mut file = unnamed()?;
        file.write_all(&self.bytes).and_then(|()| file.write_all(bytes)).map_err(Error::Write)?;
        self.bytes = Vec::new();
        self.file = Some(file);
        Ok(())
    }

    /// Hands it on from its first byte, in pieces of a bounded size. Blocks, as `to` does.
    ///
    /// # Errors
    /// It can't be read back, or `to` does not take it.
    pub fn pass_to(&mut self, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), Error> {
        let Some(file) = &mut self.file else { return to(&self.bytes).map_err(Error::Pass) };
        file.rewind().map_err(Error::Read)?;
        let mut left = self.length;
        let mut buffer = vec![0; CHUNK];
        while left > 0 {
            let max = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let piece = &mut buffer[..max];
            file.read_exact(piece).map_err(Error::Read)?;
            to(piece).map_err(Error::Pass)?;
            left -= max as u64;
        }
        Ok(())
    }

    /// All of it, for whoever knows that it is short.
    ///
    /// # Errors
    /// It can't be read back.
    pub fn into_bytes(mut self) -> Result<Vec<u8>, Error> {
        if self.file.is_none() {
            return Ok(self.bytes);
        }
        let mut all = Vec::new();
        self.pass_to(|piece| {
            all.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(all)
    }
}

impl From<Vec<u8>> for Captured {
    /// Bytes that are there already; those that are many go to the file.
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() <= IN_MEMORY {
            return Self { length: bytes.len() as u64, bytes, ..Self::default() };
        }
        let mut captured = Self::default();
        captured.append(&bytes);
        captured
    }
}

/// A file that nobody finds and that goes with its last descriptor.
fn unnamed() -> Result<File, Error> {
    let given = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|place| place.is_absolute());
    let Some(place) = given else {
        let [first, second] = PLACES;
        return unnamed_in(Path::new(first)).or_else(|_| unnamed_in(Path::new(second)));
    };
    unnamed_in(&place)
}

fn unnamed_in(place: &Path) -> Result<File, Error> {
    let fail = |errno: Errno| Error::Open { place: place.into(), source: errno.into() };
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::open(place, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        Ok(file) => Ok(file.into()),
        // Some network file systems, and overlayfs of older kernels, have no unnamed files.
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => named_and_removed(place).map_err(fail),
        Err(errno) => Err(fail(errno)),
    }
}

/// One with a name that can't be guessed, which is taken away at once.
fn named_and_removed(place: &Path) -> Result<File, Errno> {
    let mut random = [0_u8; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let path = place.join(format!("sandhog-{:032x}", u128::from_ne_bytes(random)));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?;
    unlink(&path)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(captured: &mut Captured) -> Vec<u8> {
        let mut bytes = Vec::new();
        captured
            .pass_to(|piece| {
                assert!(piece.len() <= CHUNK);
                bytes.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        bytes
    }

    #[test]
    fn little_is_in_memory_and_more_in_a_file_and_both_come_back_as_they_were() {
        for length in [0, 1, IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + 1, 5 * IN_MEMORY + 7] {
            let bytes: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            for piece in [1000, 16 << 10, usize::MAX] {
                let mut captured = Captured::default();
                bytes.chunks(piece.min(length.max(1))).for_each(|piece| captured.append(piece));
                assert_eq!((captured.length(), captured.is_empty()), (length as u64, length == 0));
                assert_eq!(captured.is_in_file(), length > IN_MEMORY);
                assert!(captured.bytes.len() <= IN_MEMORY);
                assert_eq!(all(&mut captured), bytes);
                assert_eq!(all(&mut captured), bytes, "once more");
                assert_eq!(captured.into_bytes().unwrap(), bytes);
            }
            assert_eq!(Captured::from(bytes.clone()).into_bytes().unwrap(), bytes);
        }
    }

    #[test]
    fn a_full_disk_is_a_failure_that_stays_and_what_came_before_is_there() {
        let full = File::options().read(true).write(true).open("/dev/full").unwrap();
        let mut captured = Captured { file: Some(full), ..Captured::default() };
        captured.append(b"lost");
        captured.append(b"more");
        assert_eq!(captured.length(), 0);
        let Some(Error::Write(error)) = captured.failure() else { panic!("{captured:?}") };
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }

    #[test]
    fn a_place_that_is_none_is_named() {
        let Err(Error::Open { place, .. }) = unnamed_in(Path::new("/nowhere")) else { panic!() };
        assert_eq!(place, Path::new("/nowhere"));
    }

    #[test]
    fn where_files_have_names_the_name_is_gone_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = named_and_removed(directory.path()).unwrap();
        file.write_all(b"x").unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn who_does_not_take_it_is_no_fault_of_what_was_kept() {
        let mut captured = Captured::from(b"x".to_vec());
        let refused = captured.pass_to(|_| Err(io::ErrorKind::BrokenPipe.into()));
        assert!(matches!(refused, Err(Error::Pass(error)) if error.kind() == io::ErrorKind::BrokenPipe));
    }
}
