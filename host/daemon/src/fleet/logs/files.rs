//! The files themselves: opened, appended to, set aside when they are full, removed.

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use sandhog_runtime::own_limits;
use sandhog_spec::service::LogRules;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Files that are open at once: a small part of the 1,024 descriptors that a process has where nobody asks for more.
const OPEN_FILES: usize = 256;

/// Numbers without a file between those that have one: where setting aside is under way, or was cut off.
pub(super) const GAP: u32 = 1;

/// All log files, some of them open.
pub(super) struct Files {
    directory: Arc<Dir>,
    open: HashMap<Arc<str>, Open>,
    /// Grows with each use.
    uses: u64,
    /// No file may be longer, in bytes, whatever its rules are (RLIMIT_FSIZE): it is set aside before.
    longest: u64,
}

struct Open {
    file: File,
    identity: Identity,
    last_use: u64,
}

/// Which file it is, whatever it is called. Numbers alone are given again to later files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    number: u64,
    created: (i64, u32),
}

/// What could not be written.
pub(super) struct Failure {
    pub lines: u64,
    pub cause: io::Error,
}

impl Files {
    pub(super) fn new(directory: Arc<Dir>) -> Self {
        Self { directory, open: HashMap::new(), uses: 0, longest: own_limits::file_size().unwrap_or(u64::MAX) }
    }

    /// Appends whole lines. Where it fails the rest of them is dropped, and the next ones are tried anew.
    pub(super) fn append(&mut self, job: &Arc<str>, rules: LogRules, lines: &[u8]) -> Result<(), Failure> {
        let mut rest = lines;
        while !rest.is_empty() {
            let step = self.append_some(job, rules, rest);
            let count = |rest: &[u8]| rest.iter().filter(|byte| **byte == b'\n').count() as u64;
            rest = &rest[step.map_err(|cause| Failure { lines: count(rest), cause })?..];
        }
        Ok(())
    }

    /// Writes as many lines as the file has room for, or sets it aside. Returns how many bytes it wrote.
    fn append_some(&mut self, job: &Arc<str>, rules: LogRules, lines: &[u8]) -> io::Result<usize> {
        let length = self.make_ready(job)?;
        let room = usize::try_from(rules.file_bytes.min(self.longest).saturating_sub(length)).unwrap_or(usize::MAX);
        let fits = if lines.len() <= room { lines.len() } else { end_of_last_line(&lines[..room]) };
        if fits == 0 && length > 0 {
            self.set_aside(job, rules.files)?;
            return Ok(0);
        }
        // A line that is longer than a file may be has one of its own.
        let now = if fits == 0 { end_of_first_line(lines) } else { fits };
        let Some(open) = self.open.get_mut(job) else { return Ok(0) };
        let written = open.file.write_all(&lines[..now]);
        if written.is_err() {
            // Part of a line may be there. It gets its end when the file is opened again.
            self.open.remove(job);
        }
        written.map(|()| now)
    }

    /// Opens the file, if it is not open or is no longer the one of its name. Returns its length.
    fn make_ready(&mut self, job: &Arc<str>) -> io::Result<u64> {
        self.uses += 1;
        let named = look(&self.directory, &file_name(job, 0)?);
        if let Some(open) = self.open.get_mut(job)
            && let Ok((identity, length)) = named
            && open.identity == identity
        {
            open.last_use = self.uses;
            return Ok(length);
        }
        self.open.remove(job);
        self.make_room();
        let (open, length) = Open::new(&self.directory, &file_name(job, 0)?, self.uses)?;
        self.open.insert(job.clone(), open);
        Ok(length)
    }

    /// Closes the file that has not been used for longest, if another one is too many.
    fn make_room(&mut self) {
        if self.open.len() >= OPEN_FILES {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.last_use).map(|(job, _)| job.clone());
            oldest.map(|job| self.open.remove(&job));
        }
    }

    /// `JOB.log` becomes `JOB.log.1`, and so on; so many are kept. A rename after the other, oldest first: whenever this
    /// ends, no line is lost but those of the oldest file.
    fn set_aside(&mut self, job: &str, keep: u32) -> io::Result<()> {
        self.open.remove(job);
        if keep == 0 {
            return self.directory.remove_file(file_name(job, 0)?);
        }
        let is_free = |number: &u32| file_name(job, *number).is_ok_and(|name| !self.directory.exists(name));
        let free = (1..keep).find(is_free).unwrap_or(keep);
        for number in (0..free).rev() {
            self.directory.rename(file_name(job, number)?, &self.directory, file_name(job, number + 1)?)?;
        }
        self.remove_from(job, keep.saturating_add(1))
    }

    /// All files of a job.
    pub(super) fn remove(&mut self, job: &str) -> io::Result<()> {
        self.open.remove(job);
        self.remove_from(job, 0)
    }

    /// The files of this number and after it, and behind a gap.
    fn remove_from(&self, job: &str, first: u32) -> io::Result<()> {
        let mut missing = 0;
        for number in first.. {
            match self.directory.remove_file(file_name(job, number)?) {
                Ok(()) => missing = 0,
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing += 1,
                Err(error) => return Err(error),
            }
            if missing > GAP {
                break;
            }
        }
        Ok(())
    }

    /// The newest file of a job and how long it is; None: it has none. The second one is the newest where setting aside
    /// was cut off.
    pub(super) fn end(&self, job: &str) -> io::Result<Option<(Identity, u64)>> {
        for number in 0..=1 {
            match look(&self.directory, &file_name(job, number)?) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other.map(Some),
            }
        }
        Ok(None)
    }
}

impl Open {
    fn new(directory: &Dir, name: &str, last_use: u64) -> io::Result<(Self, u64)> {
        // Not blocking: what is no file is not to be waited for.
        let flags =
            OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?);
        let (identity, mut length) = look_at(&file)?;
        if length > 0 {
            let mut last = [0];
            file.read_exact_at(&mut last, length - 1)?;
            // Something ended in the middle of its last line.
            if last != *b"\n" {
                (&file).write_all(b"\n")?;
                length += 1;
            }
        }
        Ok((Self { file, identity, last_use }, length))
    }
}

/// What a job's files are called: 0 is the one that is written to. A name that leads elsewhere is refused.
pub(super) fn file_name(job: &str, number: u32) -> io::Result<String> {
    if job.is_empty() || job.starts_with('.') || job.contains(['/', '\0']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the job's name is no file name"));
    }
    Ok(if number == 0 { format!("{job}.log") } else { format!("{job}.log.{number}") })
}

fn look(directory: &Dir, name: &str) -> io::Result<(Identity, u64)> {
    identify(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

pub(super) fn look_at(file: &File) -> io::Result<(Identity, u64)> {
    identify(file, "", AtFlags::EMPTY_PATH)
}

fn identify(at: impl AsFd, name: &str, flags: AtFlags) -> io::Result<(Identity, u64)> {
    let status = rustix::fs::statx(at, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
    let identity = Identity { number: status.stx_ino, created: (status.stx_btime.tv_sec, status.stx_btime.tv_nsec) };
    if rustix::fs::FileType::from_raw_mode(status.stx_mode.into()) != rustix::fs::FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the log is no regular file"));
    }
    Ok((identity, status.stx_size))
}

fn end_of_last_line(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1)
}

fn end_of_first_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |position| position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: LogRules = LogRules { file_bytes: 1 << 20, files: 3, level: None };

    fn files() -> (Files, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let directory = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        (Files::new(Arc::new(directory)), folder)
    }

    fn append(files: &mut Files, job: &str, rules: LogRules, lines: &str) -> Result<(), Failure> {
        files.append(&job.into(), rules, lines.as_bytes())
    }

    #[test]
    fn a_thousand_jobs_need_few_descriptors() {
        let (mut files, folder) = files();
        let path = folder.path();
        for round in 0..3 {
            for job in 0..1_000 {
                assert!(append(&mut files, &format!("job-{job}"), RULES, &format!("{round}\n")).is_ok());
                assert!(files.open.len() <= OPEN_FILES);
            }
        }
        for job in 0..1_000 {
            assert_eq!(std::fs::read_to_string(path.join(format!("job-{job}.log"))).unwrap(), "0\n1\n2\n");
        }
    }

    #[test]
    fn a_full_disk_drops_lines_until_there_is_room() {
        let (mut files, folder) = files();
        let path = folder.path();
        assert!(append(&mut files, "a", RULES, "before\n").is_ok());
        files.open.get_mut("a").unwrap().file = File::options().write(true).open("/dev/full").unwrap();
        let failure = append(&mut files, "a", RULES, "one\ntwo\n").unwrap_err();
        assert_eq!((failure.lines, failure.cause.kind()), (2, io::ErrorKind::StorageFull));
        assert!(append(&mut files, "a", RULES, "after\n").is_ok());
        assert_eq!(std::fs::read_to_string(path.join("a.log")).unwrap(), "before\nafter\n");
    }

    #[test]
    fn a_line_that_was_cut_off_gets_its_end() {
        let (mut files, folder) = files();
        let path = folder.path();
        std::fs::write(path.join("a.log"), "whole\ncut o").unwrap();
        assert!(append(&mut files, "a", RULES, "new\n").is_ok());
        assert_eq!(std::fs::read_to_string(path.join("a.log")).unwrap(), "whole\ncut o\nnew\n");
    }

    #[test]
    fn files_are_as_long_as_they_may_be_and_no_more_are_kept() {
        let (mut files, folder) = files();
        let path = folder.path();
        let rules = LogRules { file_bytes: 8, files: 2, level: None };
        assert!(append(&mut files, "a", rules, "111\n222\n333\n444\n5555555555\n666\n777\n").is_ok());
        let text = |name: &str| std::fs::read_to_string(path.join(name)).unwrap_or_default();
        assert_eq!([text("a.log"), text("a.log.1"), text("a.log.2")], ["666\n777\n", "5555555555\n", "333\n444\n"]);
        assert!(!path.join("a.log.3").exists());
        assert!(append(&mut files, "a", LogRules { files: 1, ..rules }, "888\n").is_ok());
        assert_eq!([text("a.log"), text("a.log.1"), text("a.log.2")], ["888\n", "666\n777\n", ""]);
        assert!(append(&mut files, "a", LogRules { files: 0, ..rules }, "999\n000\n").is_ok());
        assert_eq!([text("a.log"), text("a.log.1")], ["000\n", "666\n777\n"]);
    }

    #[test]
    fn setting_aside_that_was_cut_off_loses_nothing() {
        let (mut files, folder) = files();
        let path = folder.path();
        // What it leaves where it ends after its first renames.
        for (name, text) in [("a.log", "4\n"), ("a.log.1", "3\n"), ("a.log.3", "2\n")] {
            std::fs::write(path.join(name), text).unwrap();
        }
        assert!(append(&mut files, "a", LogRules { file_bytes: 2, files: 3, level: None }, "5\n").is_ok());
        let text = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
        let all = ["a.log.3", "a.log.2", "a.log.1", "a.log"].map(text);
        assert_eq!(all, ["2\n", "3\n", "4\n", "5\n"]);
    }

    #[test]
    fn a_file_that_somebody_takes_away_is_made_anew() {
        let (mut files, folder) = files();
        let path = folder.path();
        assert!(append(&mut files, "a", RULES, "one\n").is_ok());
        std::fs::rename(path.join("a.log"), path.join("elsewhere")).unwrap();
        assert!(append(&mut files, "a", RULES, "two\n").is_ok());
        std::fs::remove_file(path.join("a.log")).unwrap();
        assert!(append(&mut files, "a", RULES, "three\n").is_ok());
        assert_eq!(std::fs::read_to_string(path.join("a.log")).unwrap(), "three\n");
        // As an editor does.
        std::fs::write(path.join("new"), "edited\n").unwrap();
        std::fs::rename(path.join("new"), path.join("a.log")).unwrap();
        assert!(append(&mut files, "a", RULES, "four\n").is_ok());
        assert_eq!(std::fs::read_to_string(path.join("a.log")).unwrap(), "edited\nfour\n");
        assert_eq!(std::fs::read_to_string(path.join("elsewhere")).unwrap(), "one\n");
    }

    #[test]
    fn what_is_no_file_of_ours_is_not_written_to() {
        let (mut files, folder) = files();
        let path = folder.path();
        std::fs::write(path.join("target"), "mine\n").unwrap();
        std::os::unix::fs::symlink("target", path.join("link.log")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join("fifo.log"), Mode::RWXU).unwrap();
        std::fs::create_dir(path.join("directory.log")).unwrap();
        for job in ["link", "fifo", "directory", "../out", "", ".", "..", "a/b", "/a", "a\0b"] {
            assert_eq!(append(&mut files, job, RULES, "x\n").unwrap_err().lines, 1, "{job:?}");
        }
        assert_eq!(std::fs::read_to_string(path.join("target")).unwrap(), "mine\n");
    }

    #[test]
    fn a_job_is_removed_with_all_its_files_and_no_other_ones() {
        let (mut files, folder) = files();
        let path = folder.path();
        let rules = LogRules { file_bytes: 2, files: 5, level: None };
        for job in ["a", "a.log", "ab", "a.log.1"] {
            assert!(append(&mut files, job, rules, "1\n2\n3\n4\n").is_ok());
        }
        std::fs::remove_file(path.join("a.log.2")).unwrap();
        assert!(files.remove("a").is_ok());
        let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        let others = ["a.log", "a.log.1", "ab"].map(|job| ["", ".1", ".2", ".3"].map(|end| format!("{job}.log{end}")));
        let mut others = others.concat();
        others.sort();
        assert_eq!(names, others);
    }
}
