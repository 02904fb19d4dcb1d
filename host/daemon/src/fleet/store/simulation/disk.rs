//! A disk, as a file system makes use of it: what programs see of it, what of that is safe, and what is on its way.

use sandhog_simulation::Rng;
use std::collections::BTreeMap;
use std::io;

/// Bytes that are written as a whole or not at all: of any disk.
const SECTOR: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64);

/// What is done to files.
#[derive(Debug)]
enum Change {
    Create { name: String, file: FileId },
    Delete { name: String },
    Write { file: FileId, at: usize, bytes: Vec<u8> },
    Cut { file: FileId, length: usize },
}

#[derive(Clone, Default)]
struct Files {
    names: BTreeMap<String, FileId>,
    contents: BTreeMap<FileId, Vec<u8>>,
}

/// How the power is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// With everything that was on its way.
    All,
    /// The first changes had arrived.
    Tail,
    /// Any of them had, or parts of them.
    Any,
}

#[derive(Default)]
pub(super) struct Disk {
    seen: Files,
    safe: Files,
    /// What is seen and not safe, in its order.
    on_the_way: Vec<Change>,
    next: u64,
    /// Changes after which nothing works any more.
    fuse: Option<u64>,
    is_off: bool,
    /// Writes for which there is no room.
    full_for: u64,
    /// That were made, or would have been.
    pub(super) changes: u64,
    /// What was done, for whoever looks at this disk alone.
    told: Option<Vec<String>>,
}

impl Files {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Create { name, file } => {
                self.names.insert(name.clone(), *file);
            }
            Change::Delete { name } => {
                self.names.remove(name);
            }
            Change::Write { file, at, bytes } => self.write(*file, *at, bytes),
            Change::Cut { file, length } => self.contents.entry(*file).or_default().truncate(*length),
        }
    }

    fn write(&mut self, file: FileId, at: usize, bytes: &[u8]) {
        let content = self.contents.entry(file).or_default();
        content.resize(content.len().max(at + bytes.len()), 0);
        content[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl Disk {
    /// Opens it, making it where it is missing and that is asked for.
    pub(super) fn open(&mut self, name: &str, creates: bool) -> io::Result<FileId> {
        match self.seen.names.get(name) {
            Some(file) => Ok(*file),
            None if creates => {
                let file = FileId(self.next);
                self.next += 1;
                self.change(Change::Create { name: name.to_owned(), file })?;
                Ok(file)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        self.seen.names.contains_key(name)
    }

    pub(super) fn delete(&mut self, name: &str) -> io::Result<()> {
        if !self.exists(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(Change::Delete { name: name.to_owned() })
    }

    pub(super) fn length(&self, file: FileId) -> usize {
        self.seen.contents.get(&file).map_or(0, Vec::len)
    }

    /// How many bytes there were.
    pub(super) fn read(&self, file: FileId, at: usize, into: &mut [u8]) -> io::Result<usize> {
        self.works()?;
        let content = self.seen.contents.get(&file).map_or(&[][..], Vec::as_slice);
        let from = content.get(at..).unwrap_or_default();
        let count = from.len().min(into.len());
        into[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    pub(super) fn write(&mut self, file: FileId, at: usize, bytes: &[u8]) -> io::Result<()> {
        if self.full_for > 0 {
            self.full_for -= 1;
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.change(Change::Write { file, at, bytes: bytes.to_vec() })
    }

    pub(super) fn cut(&mut self, file: FileId, length: usize) -> io::Result<()> {
        self.change(Change::Cut { file, length })
    }

    fn works(&self) -> io::Result<()> {
        if self.is_off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// One step nearer to the end of everything.
    fn count(&mut self) -> io::Result<()> {
        self.works()?;
        self.changes += 1;
        match &mut self.fuse {
            Some(0) => {
                self.is_off = true;
                self.works()
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.count()?;
        self.tell(|disk| match &change {
            Change::Create { name, .. } => format!("{name} is made"),
            Change::Delete { name } => format!("{name} is deleted"),
            Change::Write { file, at, bytes } => format!("{}: {} bytes at {at}", disk.name(*file), bytes.len()),
            Change::Cut { file, length } => format!("{}: cut to {length}", disk.name(*file)),
        });
        self.seen.apply(&change);
        self.on_the_way.push(change);
        Ok(())
    }

    /// What was written to the file is safe, and with its directory all names are.
    pub(super) fn flush(&mut self, file: FileId, with_directory: bool) -> io::Result<()> {
        self.count()?;
        self.tell(|disk| {
            format!("{} is flushed{}", disk.name(file), if with_directory { ", and the directory" } else { "" })
        });
        let is_flushed = |change: &mut Change| match change {
            Change::Create { .. } | Change::Delete { .. } => with_directory,
            Change::Write { file: of, .. } | Change::Cut { file: of, .. } => *of == file,
        };
        for change in self.on_the_way.extract_if(.., is_flushed) {
            self.safe.apply(&change);
        }
        Ok(())
    }

    fn name(&self, file: FileId) -> &str {
        self.seen.names.iter().find(|(_, of)| **of == file).map_or("a file without a name", |(name, _)| name)
    }

    fn tell(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.told.is_some() {
            let line = what(self);
            self.told.get_or_insert_default().push(line);
        }
    }

    /// What was done since the last time.
    pub(super) fn story(&mut self) -> Vec<String> {
        self.told.replace(Vec::new()).unwrap_or_default()
    }

    // What the world does to it.

    /// Nothing works after so many changes more.
    pub(super) fn light_fuse(&mut self, changes: u64) {
        self.fuse = Some(changes);
    }

    /// There is no room for so many writes.
    pub(super) fn fill_up(&mut self, writes: u64) {
        self.full_for = writes;
    }

    pub(super) fn is_off(&self) -> bool {
        self.is_off
    }

    /// Whoever still uses it does nothing to it any more.
    pub(super) fn turn_off(&mut self) {
        self.is_off = true;
    }

    /// As it was left: only whoever used it is gone.
    pub(super) fn turn_on(&mut self) {
        (self.is_off, self.fuse, self.full_for) = (false, None, 0);
    }

    /// What was not flushed arrives or does not.
    pub(super) fn lose_power(&mut self, loss: Loss, rng: &Rng) {
        let on_the_way = std::mem::take(&mut self.on_the_way);
        let arrived = match loss {
            Loss::All => 0,
            Loss::Tail => rng.below(on_the_way.len() as u64 + 1) as usize,
            Loss::Any => on_the_way.len(),
        };
        let is_name = |change: &Change| matches!(change, Change::Create { .. } | Change::Delete { .. });
        let names = on_the_way.iter().filter(|change| is_name(change)).count() as u64;
        // A file system keeps what is done to its directories in order.
        let mut names = if loss == Loss::Any { rng.below(names + 1) } else { names };
        for change in &on_the_way[..arrived] {
            if is_name(change) {
                if names > 0 {
                    self.safe.apply(change);
                }
                names = names.saturating_sub(1);
            } else if loss == Loss::Any {
                self.lose(change, rng);
            } else {
                self.safe.apply(change);
            }
        }
        self.seen = self.safe.clone();
    }

    /// All of it, some of it, or none.
    fn lose(&mut self, change: &Change, rng: &Rng) {
        match (rng.below(3), change) {
            (0, _) => {}
            (1, Change::Write { file, at, bytes }) => {
                let mut from = 0;
                while from < bytes.len() {
                    // Sectors begin where the disk has them.
                    let to = bytes.len().min(from + SECTOR - (at + from) % SECTOR);
                    if rng.one_in(2) {
                        self.safe.write(*file, at + from, &bytes[from..to]);
                    }
                    from = to;
                }
            }
            _ => self.safe.apply(change),
        }
    }
}
