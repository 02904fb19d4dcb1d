//! Positions of one's own in a file that is open once.
//!
//! Reading one descriptor, or a duplicate of it, moves the position of all who share it. So what this process itself
//! reads of a shared file it reads by position ([`FromStart`]); and what is opened once and given to several (a stdin
//! file, to each attempt) is opened again for each ([`for_reading`]). Nothing is resolved anew: what is opened is the
//! same inode, whatever its path leads to by now.
//!
//! Must not: follow a path, wait for another process.

use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// Reads a file from its start by position (pread(2)): as many may do so at once as like, through one descriptor.
pub(crate) struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> FromStart<'a> {
    pub(crate) const fn new(file: &'a File) -> Self {
        Self { file, at: 0 }
    }
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The same file, open for reading, positioned at its start; closed on exec.
///
/// A pipe, a socket or a device has no position that is worth one's own: of these it is a duplicate, which shares the flags
/// of the original as well. What was opened with `O_PATH` can't be read by a duplicate; it is opened, without waiting for the
/// other end of a FIFO (`O_NONBLOCK`).
///
/// # Errors
/// EACCES: who runs may not read it (any more). ENOENT or others: /proc is not there. A file that is another one behind
/// its entry in /proc, where that is not the kernel's, is refused.
pub(crate) fn for_reading(file: impl AsFd) -> io::Result<OwnedFd> {
    let file = file.as_fd();
    let here = rustix::fs::fstat(file)?;
    let is_path = rustix::fs::fcntl_getfl(file)?.contains(OFlags::PATH);
    if FileType::from_raw_mode(here.st_mode) != FileType::RegularFile && !is_path {
        return file.try_clone_to_owned();
    }
    // The link of a descriptor leads to what it has open (proc_pid_fd(5)), deleted and renamed files included.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let again = rustix::fs::open(path, flags, Mode::empty())?;
    let there = rustix::fs::fstat(&again)?;
    if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino) {
        Ok(again)
    } else {
        Err(io::Error::other("/proc does not show the files that this process has open"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn read(file: OwnedFd) -> String {
        let mut text = String::new();
        File::from(file).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn every_opening_of_one_descriptor_reads_from_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("start");
        fs::write(&path, "all of it").unwrap();
        let mut file = File::open(&path).unwrap();
        file.read_exact(&mut [0; 4]).unwrap();
        let (first, second) = (for_reading(&file).unwrap(), for_reading(&file).unwrap());
        assert_eq!((read(first), read(second)), ("all of it".into(), "all of it".into()));
        assert_eq!(read(file.into()), "of it", "the original stays where it was");
    }

    #[test]
    fn who_reads_by_position_moves_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("position");
        fs::write(&path, "all of it").unwrap();
        let mut file = File::open(&path).unwrap();
        file.read_exact(&mut [0; 4]).unwrap();
        let mut readers = [FromStart::new(&file), FromStart::new(&file)];
        let mut texts = [String::new(), String::new()];
        // In turns, two bytes each.
        for _ in 0..8 {
            for (reader, text) in readers.iter_mut().zip(&mut texts) {
                reader.by_ref().take(2).read_to_string(text).unwrap();
            }
        }
        assert_eq!(texts, ["all of it", "all of it"]);
        assert_eq!(read(file.into()), "of it", "the original stays where it was");
    }

    #[test]
    fn what_is_opened_again_is_the_same_file_whatever_its_path_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let (path, victim) = (directory.path().join("same"), directory.path().join("victim"));
        fs::write(&path, "ours").unwrap();
        let file = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&victim, "theirs").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert_eq!(read(for_reading(&file).unwrap()), "ours");
        // Only a path, and no right to read it by itself.
        let named = rustix::fs::open(&victim, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        assert_eq!(read(for_reading(&named).unwrap()), "theirs");
    }

    #[test]
    fn a_pipe_is_the_same_pipe_and_nothing_waits_for_its_other_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        let again = for_reading(&reader).unwrap();
        writer.write_all(b"once").unwrap();
        drop((reader, writer));
        assert_eq!(read(again), "once");
        assert_eq!(read(for_reading(File::open("/dev/null").unwrap()).unwrap()), "");
    }

    #[test]
    fn a_fifo_that_is_known_by_its_place_alone_is_opened_without_its_other_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let named = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        assert_eq!(read(for_reading(&named).unwrap()), "", "nobody writes");
    }
}
