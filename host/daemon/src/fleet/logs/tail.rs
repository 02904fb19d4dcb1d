//! The last lines of several logs, read from their ends: a log of gigabytes costs as much as a short one.

use super::files::{GAP, Identity, file_name, look_at};
use super::line;
use super::writer::End;
use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sandhog_protocol::control::LogLine;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What is read at once.
const BLOCK: usize = 64 << 10;

/// No line of ours is longer: what is, comes from elsewhere, and its beginning will do.
const LONGEST_LINE: usize = 2 * line::LINE_BYTES;

/// What is handed out at once, in bytes, however many lines were asked for.
pub(super) const BYTES: usize = 64 << 20;

/// What a line takes beside its text, in bytes: its fields, and the names in them.
const LINE_COST: usize = 256;

/// The last lines before these ends, oldest first; `is_followed`: what comes behind them is told otherwise.
pub(super) fn read(directory: &Dir, ends: &[End], count: usize, is_followed: bool) -> io::Result<Vec<LogLine>> {
    let mut found = Last { count, ..Last::default() };
    for end in ends {
        found.add(Log::new(directory, end, !is_followed))?;
    }
    Ok(found.lines.into())
}

/// The last lines so far.
#[derive(Default)]
struct Last {
    count: usize,
    bytes: usize,
    lines: VecDeque<LogLine>,
}

impl Last {
    fn add(&mut self, mut log: Log) -> io::Result<()> {
        let (mut newer, mut bytes) = (VecDeque::new(), 0);
        while newer.len() < self.count && bytes < BYTES {
            let Some(line) = log.previous()? else { break };
            if self.has_no_room_before(line.at_ms) {
                break;
            }
            bytes += cost(&line);
            newer.push_front(line);
        }
        self.merge(newer);
        Ok(())
    }

    /// What is as old as this would be the first to go.
    fn has_no_room_before(&self, at_ms: u64) -> bool {
        self.lines.len() >= self.count && self.lines.front().is_some_and(|oldest| at_ms < oldest.at_ms)
    }

    /// By time; lines of one job stay in their order, whatever the clock did.
    fn merge(&mut self, mut newer: VecDeque<LogLine>) {
        if newer.is_empty() {
            return;
        }
        let mut older = std::mem::take(&mut self.lines);
        self.bytes += newer.iter().map(cost).sum::<usize>();
        while let (Some(one), Some(other)) = (older.front(), newer.front()) {
            let first = if other.at_ms < one.at_ms { newer.pop_front() } else { older.pop_front() };
            self.lines.extend(first);
        }
        self.lines.append(&mut older);
        self.lines.append(&mut newer);
        while self.lines.len() > self.count || self.bytes > BYTES {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= cost(&line);
        }
    }
}

fn cost(line: &LogLine) -> usize {
    LINE_COST + line.text.len()
}

/// The lines of one job, from its end backwards.
///
/// Files are set aside while this goes on. Each only moves on to a higher number, so going up from where one was finds it
/// again, unless it has been removed; and then all older ones have been, too.
struct Log<'a> {
    directory: &'a Dir,
    end: &'a End,
    file: Option<Backwards>,
    /// Which file is read, or is to be read first, and the number that it had.
    current: Identity,
    number: u32,
    begun: bool,
    /// Where the file of the end is gone, the newest one is as good: nobody gets what follows the end as well.
    newest_will_do: bool,
}

impl<'a> Log<'a> {
    fn new(directory: &'a Dir, end: &'a End, newest_will_do: bool) -> Self {
        Self { directory, end, file: None, current: end.file, number: 0, begun: false, newest_will_do }
    }

    /// The line before; what is none (cut off, or written by somebody else) is left out.
    fn previous(&mut self) -> io::Result<Option<LogLine>> {
        loop {
            let line = self.file.as_mut().map_or(Ok(None), Backwards::previous)?;
            match line {
                Some(line) => {
                    if let Some(line) = line::parse(&self.end.job, &line) {
                        return Ok(Some(line));
                    }
                }
                None if self.open_older()? => {}
                None => return Ok(None),
            }
        }
    }

    /// Tries again where files were set aside meanwhile.
    fn open_older(&mut self) -> io::Result<bool> {
        self.file = None;
        if !self.begun && self.newest_will_do && self.find_current()?.is_none() {
            // Its writer was faster: all that was there has been removed since.
            let Some((_, newest)) = self.first_file(0)? else { return Ok(false) };
            self.current = newest.identity;
            (self.begun, self.file) = (true, Some(Backwards::new(newest.file, newest.length)));
            return Ok(true);
        }
        while let Some((number, found)) = self.find_current()? {
            self.number = number;
            if !self.begun {
                let length = self.end.length.min(found.length);
                (self.begun, self.file) = (true, Some(Backwards::new(found.file, length)));
                return Ok(true);
            }
            let Some((_, older)) = self.first_file(number + 1)? else { return Ok(false) };
            // It was in its place before and after: then what was behind it is the next older one.
            if self.open(number)?.is_some_and(|file| file.identity == self.current) {
                (self.current, self.file) = (older.identity, Some(Backwards::new(older.file, older.length)));
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn find_current(&self) -> io::Result<Option<(u32, Found)>> {
        let mut next = self.first_file(self.number)?;
        while let Some((number, file)) = next {
            if file.identity == self.current {
                return Ok(Some((number, file)));
            }
            next = self.first_file(number + 1)?;
        }
        Ok(None)
    }

    /// The first one that has this number or a higher one.
    fn first_file(&self, number: u32) -> io::Result<Option<(u32, Found)>> {
        for number in number..=number + GAP {
            if let Some(file) = self.open(number)? {
                return Ok(Some((number, file)));
            }
        }
        Ok(None)
    }

    fn open(&self, number: u32) -> io::Result<Option<Found>> {
        let name = file_name(&self.end.job, number)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(self.directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let (identity, length) = look_at(&file)?;
        Ok(Some(Found { file, identity, length }))
    }
}

struct Found {
    file: File,
    identity: Identity,
    length: u64,
}

/// A file, line by line from its end.
struct Backwards {
    file: File,
    /// Where what has been read begins.
    begin: u64,
    /// Read, but not given out.
    rest: Vec<u8>,
    /// There is a line in front of `begin` or in `rest`.
    more: bool,
}

impl Backwards {
    fn new(file: File, length: u64) -> Self {
        Self { file, begin: length, rest: Vec::new(), more: length > 0 }
    }

    fn previous(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if !self.more {
                return Ok(None);
            }
            if let Some(position) = self.rest.iter().rposition(|byte| *byte == b'\n') {
                let line = self.rest.split_off(position + 1);
                self.rest.truncate(position);
                return Ok(Some(line));
            }
            if self.begin == 0 {
                self.more = false;
                return Ok(Some(std::mem::take(&mut self.rest)));
            }
            self.read_block()?;
        }
    }

    fn read_block(&mut self) -> io::Result<()> {
        if self.rest.len() > LONGEST_LINE {
            self.rest.clear();
        }
        let begin = self.begin.saturating_sub(BLOCK as u64);
        let mut block = vec![0; usize::try_from(self.begin - begin).unwrap_or(BLOCK)];
        self.file.read_exact_at(&mut block, begin)?;
        block.append(&mut self.rest);
        (self.rest, self.begin) = (block, begin);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    #[test]
    fn a_file_backwards_is_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        // Around the edges of blocks.
        let lengths = [0, 1, BLOCK - 1, 0, BLOCK, 3, BLOCK + 1, 2 * BLOCK - 7, 5, 0];
        let lines: Vec<_> = lengths.iter().map(|length| "x".repeat(*length)).collect();
        for end in ["", "\n"] {
            std::fs::write(&path, lines.join("\n") + end).unwrap();
            let length = std::fs::metadata(&path).unwrap().len();
            let mut file = Backwards::new(File::open(&path).unwrap(), length);
            let mut read = Vec::new();
            while let Some(line) = file.previous().unwrap() {
                read.insert(0, line.len());
            }
            let expected: Vec<_> = lengths.iter().copied().chain((!end.is_empty()).then_some(0)).collect();
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn many_files_need_one_descriptor_and_many_lines_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let lines = "2026-11-21T16:13:00.123Z 0 x out \n".repeat(200);
        for number in 0..2_000 {
            std::fs::write(path.join(file_name("a", number).unwrap()), &lines).unwrap();
        }
        let directory = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
        let (file, length) = look_at(&File::open(path.join("a.log")).unwrap()).unwrap();
        let end = End { job: "a".into(), file, length };
        assert_eq!(read(&directory, &[end], usize::MAX, false).unwrap().len(), BYTES / LINE_COST);
    }
}
