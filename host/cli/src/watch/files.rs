//! The files that are watched, of which jobs they are, and what was in them last.
//!
//! Must not: wait, or ask a daemon.

use super::super::manifest_file::Manifest;
use rustix::fs::{Mode, OFlags};
use sandhog_spec::service::Service;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The place of the manifest among the files.
pub(super) const MANIFEST: usize = 0;

/// Bytes that are read at once: some pages, so that a large module takes few calls.
const PIECE: usize = 64 << 10;

/// Files by their places, the manifest first.
pub(super) struct Files {
    files: Vec<Known>,
    places: HashMap<PathBuf, usize>,
    /// Of each job the files that it runs, in the order of the manifest.
    jobs: Vec<(String, BTreeSet<usize>)>,
}

struct Known {
    path: PathBuf,
    /// Of what was in it when it was there last; None: it was never there.
    content: Option<u64>,
    is_there: bool,
}

/// What is different from what was known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Files with other bytes than before.
    pub changed: BTreeSet<usize>,
    /// Files that were there.
    pub gone: BTreeSet<usize>,
}

/// A job of which files have changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Concerned {
    pub job: String,
    /// The files, as a person calls them.
    pub files: String,
}

impl Files {
    /// The manifest, and the modules that it names. Nothing is known of what is in them; see [`Self::read`].
    pub(super) fn of(manifest: &Manifest) -> Self {
        let mut files = Self { files: Vec::new(), places: HashMap::new(), jobs: Vec::new() };
        files.place(Path::new(&manifest.source));
        for service in &manifest.services {
            let of_job = modules(service).map(|module| files.place(module)).collect();
            files.jobs.push((service.job.name.clone(), of_job));
        }
        files
    }

    /// The modules of another manifest are watched too. They are of no job yet.
    pub(super) fn add(&mut self, manifest: &Manifest) {
        for module in manifest.services.iter().flat_map(modules) {
            let (known, place) = (self.files.len(), self.place(module));
            if place == known {
                self.files[place].look();
            }
        }
    }

    /// The same, of files that have been read.
    pub(super) fn join(&mut self, other: Self) {
        for known in other.files {
            let place = self.place(&known.path);
            if self.files[place].content.is_none() {
                self.files[place] = known;
            }
        }
    }

    fn place(&mut self, path: &Path) -> usize {
        if let Some(place) = self.places.get(path) {
            return *place;
        }
        let place = self.files.len();
        self.files.push(Known { path: path.into(), content: None, is_there: false });
        self.places.insert(path.into(), place);
        place
    }

    /// By their places.
    pub(super) fn paths(&self) -> Vec<&Path> {
        self.files.iter().map(|known| known.path.as_path()).collect()
    }

    /// What is in them now is what is known.
    pub(super) fn read(&mut self) {
        for known in &mut self.files {
            known.look();
        }
    }

    /// Looks whether some are other than they were known.
    pub(super) fn look(&mut self, places: &BTreeSet<usize>) -> News {
        let mut news = News::default();
        for place in places {
            let Some(known) = self.files.get_mut(*place) else { continue };
            let (was_there, before) = (known.is_there, known.content);
            known.look();
            if known.is_there && known.content != before {
                news.changed.insert(*place);
            }
            if was_there && !known.is_there {
                news.gone.insert(*place);
            }
        }
        news
    }

    /// Jobs that run some of these files.
    pub(super) fn jobs_of(&self, places: &BTreeSet<usize>) -> Vec<Concerned> {
        let concerned = self.jobs.iter().filter_map(|(job, own)| {
            let changed: BTreeSet<usize> = own.intersection(places).copied().collect();
            (!changed.is_empty()).then(|| Concerned { job: job.clone(), files: self.names(&changed) })
        });
        concerned.collect()
    }

    /// As people call it: from the manifest's folder where it lies there.
    pub(super) fn name(&self, place: usize) -> String {
        let Some(known) = self.files.get(place) else { return String::new() };
        let folder = self.files.first().and_then(|manifest| manifest.path.parent());
        let path = folder.and_then(|folder| known.path.strip_prefix(folder).ok()).unwrap_or(&known.path);
        path.display().to_string()
    }

    /// Of several; of many the first.
    pub(super) fn names(&self, places: &BTreeSet<usize>) -> String {
        /// Most that are named.
        const NAMED: usize = 3;
        let mut names: Vec<_> = places.iter().take(NAMED).map(|place| self.name(*place)).collect();
        names.extend((places.len() > NAMED).then(|| "…".into()));
        names.join(", ")
    }

    /// What is watched, in a few words.
    pub(super) fn summary(&self) -> String {
        let modules = match self.files.len().saturating_sub(1) {
            1 => "1 module".into(),
            many => format!("{many} modules"),
        };
        format!("{} and {modules}", self.name(MANIFEST))
    }
}

impl Known {
    fn look(&mut self) {
        let content = content(&self.path);
        self.is_there = content.is_some();
        self.content = content.or(self.content);
    }
}

/// All modules of a service: its own, its children's, and that of its check.
fn modules(service: &Service) -> impl Iterator<Item = &Path> {
    let children = service.job.grants.modules.iter().map(|(_, module)| module.as_path());
    let check = service.check.iter().map(|check| check.job.module.as_path());
    [service.job.module.as_path()].into_iter().chain(children).chain(check)
}

/// A number that other bytes have not, but by chance; None: there is no file that can be read.
fn content(path: &Path) -> Option<u64> {
    // Without waiting: opening a pipe for reading would, for its other end.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let (mut hasher, mut piece) = (DefaultHasher::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Some(hasher.finish()),
            Ok(bytes) => hasher.write(&piece[..bytes]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests;
