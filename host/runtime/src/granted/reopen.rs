//! Opening what a job was granted once more, when a daemon starts again. A file that no job can change is opened as
//! usual, even if it is on another device or comes from a backup. Where a job may write, nothing is reached through a
//! link, and what lies there has to be what the operator granted.

use super::guarded::Guarded;
use super::record::{DirectoryRecord, Record, WasWritable};
use super::walk::{self, Guard, Links, Opened, walk};
use super::writable::{FileId, Until, Writable};
use crate::error::Error;
use crate::module::{self, Module};
use crate::mounts::Mounts;
use rustix::io::Errno;
use sandhog_protocol::plan::Access;
use sandhog_spec::service::Service;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a module is to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role<'a> {
    Module,
    /// Under this name.
    Child(&'a str),
    /// The command of its health check.
    Check,
}

/// What one job was granted, and where jobs may write.
pub(super) struct Again<'a> {
    /// `None`: it is not known what it was granted.
    pub record: Option<&'a Record>,
    pub writable: &'a Writable,
}

impl Again<'_> {
    pub(super) fn directory(&self, path: &Path, index: usize) -> Result<OwnedFd, Error> {
        let fail = |errno: Errno| Error::Directory { path: path.into(), cause: errno.into() };
        let opened = self.open_again("the directory", path, fail)?;
        if !opened.status.is_directory {
            return Err(fail(Errno::NOTDIR));
        }
        let known = self.record.and_then(|record| record.directories.get(index)).map(|directory| directory.id);
        the_same("directory", path, &opened, known)?;
        Ok(opened.fd)
    }

    pub(super) fn input(&self, path: &Path) -> Result<OwnedFd, Error> {
        let fail = |errno: Errno| Error::Stdin { path: path.into(), cause: errno.into() };
        let opened = self.open_again("the file of stdin", path, fail)?;
        the_same("file", path, &opened, self.record.and_then(|record| record.stdin))?;
        Ok(opened.fd)
    }

    /// `there`: what another job has opened by this path; the same one where it is that.
    pub(super) fn module(
        &self,
        path: &Path,
        role: Role<'_>,
        there: Option<&Arc<Module>>,
    ) -> Result<Arc<Module>, Error> {
        let opened = self.open_again("the module", path, |errno| module::Error::of(path, errno.into()).into())?;
        let module = match there.filter(|there| there.is_at(opened.status.id)) {
            Some(there) => Arc::clone(there),
            None => Arc::new(Module::of_opened(path, &opened.fd)?),
        };
        self.check(&module, path, role, opened.through)?;
        Ok(module)
    }

    fn check(&self, module: &Module, path: &Path, role: Role<'_>, through: Option<PathBuf>) -> Result<(), Error> {
        let known = self.record.and_then(|record| match role {
            Role::Module => record.module.as_ref(),
            Role::Check => record.check.as_ref(),
            Role::Child(name) => record.children.get(name),
        });
        match through {
            Some(through) => {
                let hash = module.hash_now()?.to_hex();
                if known.is_none_or(|known| known.hash != hash.as_str()) {
                    return Err(Guarded::Changed { path: path.into(), through }.into());
                }
            }
            // It need not be read to be known: nobody whom it would have to be kept from could have changed it.
            None => known.into_iter().for_each(|known| module.assume(&known.hash, &known.stamp)),
        }
        Ok(())
    }

    fn open_again(&self, what: &'static str, path: &Path, fail: impl Fn(Errno) -> Error) -> Result<Opened, Error> {
        let settled = self.record.map_or(0, |record| record.settled);
        let guard = Guard { writable: self.writable, settled, links: Links::Refuse };
        walk(path, guard).map_err(|error| match error {
            walk::Error::Link { at, through } => Guarded::Link { what, path: path.into(), at, through }.into(),
            walk::Error::Open(errno) => fail(errno),
        })
    }
}

/// Whether it is what it was, where a job may write.
fn the_same(what: &'static str, path: &Path, opened: &Opened, known: Option<FileId>) -> Result<(), Guarded> {
    match &opened.through {
        Some(through) if known != Some(opened.status.id) => {
            Err(Guarded::Replaced { what, path: path.into(), through: through.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Where the jobs of an earlier daemon may write, or could: by the paths that they were given, by the paths that these led
/// to, and by what was known of it. A job may have led one of them astray, but not all three.
///
/// # Errors
/// It can't be told what is mounted where.
pub fn writable_then<'a>(
    jobs: impl Iterator<Item = (&'a Service, Option<&'a Record>)>,
    left: &[WasWritable],
) -> io::Result<Writable> {
    let mut writable = Writable::default();
    for (service, record) in jobs {
        let granted = service.job.grants.directories.iter().filter(|directory| directory.access == Access::ReadWrite);
        for directory in granted {
            add(&mut writable, &directory.host, Until::Now)?;
        }
        for DirectoryRecord { id, path, .. } in record.iter().flat_map(|record| record.writable()) {
            let path = path.as_deref().unwrap_or("a directory").as_ref();
            writable.add(path, *id, Until::Now);
            add(&mut writable, path, Until::Now)?;
        }
    }
    for WasWritable { path, id, until } in left {
        writable.add(path.as_ref(), *id, Until::Then(*until));
        add(&mut writable, path.as_ref(), Until::Then(*until))?;
    }
    writable.see_through(&Mounts::now()?)?;
    Ok(writable)
}

/// What the path leads to now, if it leads to something.
///
/// # Errors
/// It can't be told where that lies.
pub(super) fn add(writable: &mut Writable, path: &Path, until: Until) -> io::Result<()> {
    let nothing = Writable::default();
    let guard = Guard { writable: &nothing, settled: 0, links: Links::Follow };
    match walk(path, guard) {
        Ok(opened) => writable.add_open(path, opened.fd.as_fd(), until),
        Err(walk::Error::Link { .. } | walk::Error::Open(_)) => Ok(()),
    }
}
