//! Warnings about a job's files in a directory where a job may write: that job could replace them before the operator
//! names them again.

use super::record::DirectoryRecord;
use super::reopen::add;
use super::settled::Settled;
use super::walk::{Guard, Links, walk};
use super::writable::{FileId, Until, Writable};
use crate::mounts::Mounts;
use sandhog_protocol::plan::Access;
use sandhog_spec::job::Stdin;
use sandhog_spec::service::Service;
use sandhog_spec::setting::Setting;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Something that the operator names by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// Of the jobs that were given; `None`: the manifest itself.
    pub job: Option<usize>,
    /// Which of its settings names it.
    pub setting: Option<Setting>,
    pub path: PathBuf,
    /// The directory that a job may write.
    pub through: PathBuf,
}

impl std::fmt::Display for Exposed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { setting, path, through, .. } = self;
        let key = setting.map_or("manifest", Setting::key);
        write!(
            out,
            "{key} {path:?} lies in {through:?}, which a job may write: that job can put something else in its place"
        )
    }
}

/// All that the jobs (and the manifest at this path) name and that lies in a directory that one of them may write, or one of
/// these others.
pub fn exposed<'a>(
    jobs: &[&Service],
    others: impl IntoIterator<Item = &'a Settled>,
    manifest: Option<&Path>,
) -> Vec<Exposed> {
    let mut writable = Writable::default();
    for service in jobs {
        let granted = service.job.grants.directories.iter().filter(|directory| directory.access == Access::ReadWrite);
        // What can't be looked at can't be warned of.
        granted.for_each(|directory| drop(add(&mut writable, &directory.host, Until::Now)));
    }
    for directory in others.into_iter().flat_map(|other| other.record.writable()) {
        writable.add(directory.path.as_deref().unwrap_or_default().as_ref(), directory.id, Until::Now);
    }
    let _ = Mounts::now().and_then(|mounts| writable.see_through(&mounts));
    let guard = Guard { writable: &writable, settled: 0, links: Links::Follow };
    let look = |job, setting, path: &Path| {
        let through = walk(path, guard).ok()?.through?;
        Some(Exposed { job, setting, path: path.into(), through })
    };
    let manifest = manifest.into_iter().filter_map(|path| look(None, None, path));
    let named = jobs.iter().enumerate().flat_map(|(index, service)| {
        named(service).into_iter().filter_map(move |(setting, path)| look(Some(index), Some(setting), path))
    });
    manifest.chain(named).collect()
}

/// A directory that one of these jobs may write, and by which the other one could be led elsewhere.
pub fn exposing<'a>(jobs: impl Iterator<Item = &'a Settled>, other: &Settled) -> Option<&'a DirectoryRecord> {
    jobs.flat_map(|job| job.record.writable()).find(|directory| other.passes.contains(&directory.id))
}

/// Directories that the paths of a job lead through.
pub(super) fn passed(service: &Service) -> HashSet<FileId> {
    let nothing = Writable::default();
    let guard = Guard { writable: &nothing, settled: 0, links: Links::Follow };
    let ways = named(service).into_iter().filter_map(|(_, path)| walk(path, guard).ok());
    ways.flat_map(|opened| opened.passed).collect()
}

/// The paths of a job, and the settings that name them.
fn named(service: &Service) -> Vec<(Setting, &Path)> {
    let job = &service.job;
    let mut all = vec![(Setting::Module, job.module.as_path())];
    all.extend(service.check.iter().map(|check| (Setting::HealthCommand, check.job.module.as_path())));
    all.extend(job.grants.modules.iter().map(|(_, file)| (Setting::Child, file.as_path())));
    all.extend(job.grants.directories.iter().map(|directory| (Setting::Dir, directory.host.as_path())));
    match &job.stdin {
        Stdin::File(path) => all.push((Setting::Stdin, path)),
        Stdin::Inherit | Stdin::None => {}
    }
    all
}
