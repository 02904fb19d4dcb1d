//! The file of a job log: what it says of the past, and lines that are appended whole.
//!
//! Must not: know what a line means ([`super::joblog`]).

use super::joblog::{HEADER, Past, Resume};
use super::numbers::Numbers;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Longest line that is read, in bytes: of GNU parallel's, whose commands are whole. What is beyond says nothing of a number.
const LINE: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
#[error("failed to {what} the job log {path:?}")]
pub struct Error {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// A job log that is being written.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Opens it; where nothing is resumed, what was in it is gone. Also, the tasks to pass over. Blocks.
    ///
    /// # Errors
    /// As open(2), read(2), write(2).
    pub fn open(path: &Path, resume: Resume) -> Result<(Self, Numbers), Error> {
        let fail = |what| move |source| Error { what, path: path.into(), source };
        let mut options = File::options();
        options.read(true).append(true).create(true);
        let file = options.open(path).map_err(fail("open"))?;
        let mut passed = Numbers::default();
        if resume == Resume::No {
            // A FIFO or a device has no length.
            if file.metadata().map_err(fail("look at"))?.is_file() {
                file.set_len(0).map_err(fail("empty"))?;
            }
        } else {
            let whole = read_past(&file, resume, &mut passed).map_err(fail("read"))?;
            // A line that was torn when the last run was killed would run into the next one.
            file.set_len(whole).map_err(fail("cut"))?;
        }
        let mut log = Self { path: path.into(), file };
        if log.file.metadata().map_err(fail("look at"))?.len() == 0 {
            log.append(HEADER)?;
        }
        Ok((log, passed))
    }

    /// Appends lines, in one call.
    ///
    /// # Errors
    /// As write(2).
    pub fn append(&mut self, lines: &str) -> Result<(), Error> {
        let fail = |source| Error { what: "write", path: self.path.clone(), source };
        self.file.write_all(lines.as_bytes()).map_err(fail)
    }
}

/// Where its last whole line ends.
fn read_past(file: &File, resume: Resume, passed: &mut Numbers) -> io::Result<u64> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    let (mut whole, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(whole);
        }
        let mut length = read as u64;
        let is_whole = if line.pop_if(|last| *last == b'\n').is_some() {
            true
        } else {
            let (skipped, ended) = skip_line(&mut reader)?;
            length += skipped;
            ended
        };
        if !is_whole {
            return Ok(whole);
        }
        whole += length;
        if let Some(past) = Past::read(&String::from_utf8_lossy(&line)) {
            resume.heed(past, passed);
        }
    }
}

/// How many bytes there were, and whether the line ended.
fn skip_line(reader: &mut impl BufRead) -> io::Result<(u64, bool)> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(place) => (place + 1, true),
            None => (buffer.len(), false),
        };
        reader.consume(used);
        skipped += used as u64;
        if ended || used == 0 {
            return Ok((skipped, ended));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::joblog::Row;
    use std::time::Duration;

    fn row(number: u64, exit: u8) -> String {
        let (started, ran) = (Duration::from_secs(1), Duration::ZERO);
        let (command, verdict) = ("c".to_owned(), "v".to_owned());
        Row { number, started, ran, sent: 0, received: 0, exit, signal: 0, command, verdict }.to_line()
    }

    #[test]
    fn what_was_written_is_passed_over_and_a_torn_line_is_done_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (mut log, passed) = LogFile::open(&path, Resume::Done).unwrap();
        assert_eq!(passed, Numbers::default());
        log.append(&(row(1, 0) + &row(2, 1))).unwrap();
        log.append("3\t:\t1.000\t  0.0").unwrap();
        let of = |resume| {
            let (_, passed) = LogFile::open(&path, resume).unwrap();
            [1, 2, 3].map(|number| passed.contains(number))
        };
        assert_eq!(of(Resume::Done), [true, true, false]);
        assert_eq!(of(Resume::Succeeded), [true, false, false]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{HEADER}{}{}", row(1, 0), row(2, 1)), "the torn line is cut off");
        LogFile::open(&path, Resume::No).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), HEADER);
    }

    #[test]
    fn a_line_beyond_all_measure_takes_no_memory_and_keeps_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let long = format!("1\t:\t1.0\t0.0\t0\t0\t0\t0\t{}\n", "x".repeat(3 << 20));
        std::fs::write(&path, format!("{long}{}", row(2, 0))).unwrap();
        let (_, passed) = LogFile::open(&path, Resume::Done).unwrap();
        assert_eq!([1, 2, 3].map(|number| passed.contains(number)), [true, true, false]);
    }

    #[test]
    fn a_log_that_can_not_be_opened_is_named() {
        let error = LogFile::open(Path::new("/nowhere/log"), Resume::No).unwrap_err();
        assert_eq!(error.to_string(), "failed to open the job log \"/nowhere/log\"");
    }
}
