//! A job's files, opened on an operator's command and at no other time. Restarts by policy, retries, schedules and health
//! checks use what was opened then, wherever its path leads by now.
//!
//! Must not: be called by anything but a verb of the operator's ([`Opener::now`]) and the start of a daemon
//! ([`Opener::again`]).

mod guarded;
mod record;
mod reopen;
mod settled;
mod usable;
mod walk;
mod warnings;
mod writable;

pub use guarded::Guarded;
pub use record::{Record, WasWritable};
pub use reopen::writable_then;
pub use settled::Settled;
pub use usable::{Granted, Input};
pub use warnings::{Exposed, exposed, exposing};
pub use writable::{FileId, Writable};

use super::capacity::Held;
use super::error::Error;
use super::module::Module;
use super::own_directories::{OwnDirectories, Seen};
use reopen::{Again, Role};
use rustix::fs::{FileType, Mode, OFlags};
use sandhog_spec::job::{Job, Stdin};
use sandhog_spec::service::Service;
use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use usable::reader;
use warnings::passed;

/// Opens what jobs may use. Jobs that have a path in common share what it leads to.
pub struct Opener<'a> {
    how: How<'a>,
    /// What no grant may reach into.
    own: &'a OwnDirectories,
    directories: HashMap<PathBuf, Arc<OwnedFd>>,
    modules: HashMap<PathBuf, Arc<Module>>,
    /// What of Sandhog's own was seen for the jobs before.
    seen: Option<Seen>,
    /// Descriptors so far.
    opened: u64,
}

#[derive(Clone, Copy)]
enum How<'a> {
    /// As the kernel follows paths.
    Now,
    /// With an eye on what a job may have changed.
    Again(&'a Writable),
}

impl<'a> Opener<'a> {
    /// The operator speaks: what the paths lead to now is what is meant.
    pub fn now(own: &'a OwnDirectories) -> Self {
        Self::new(How::Now, own)
    }

    /// A daemon starts again: what the operator meant is what was there then.
    pub fn again(writable: &'a Writable, own: &'a OwnDirectories) -> Self {
        Self::new(How::Again(writable), own)
    }

    fn new(how: How<'a>, own: &'a OwnDirectories) -> Self {
        Self { how, own, directories: HashMap::new(), modules: HashMap::new(), seen: None, opened: 0 }
    }

    /// What a job may use; modules are read later.
    ///
    /// # Errors
    /// The first path that leads nowhere, or not to what it should.
    pub fn open(&mut self, job: &Job) -> Result<Granted, Error> {
        self.open_as(job, None)
    }

    /// The same of a job that is kept up, with its health check; its modules are read, so that they are known by what is in
    /// them. `known`: what it was granted, where that is opened again. Blocks.
    ///
    /// # Errors
    /// As [`Self::open`], or a module that can't be read.
    pub fn settle(&mut self, service: &Service, known: Option<&Record>) -> Result<Settled, Error> {
        let before = self.opened;
        let job = self.open_as(&service.job, known)?;
        let check = match &service.check {
            Some(check) => Some(Granted {
                module: self.module(&check.job.module, Role::Check, known)?,
                input: Input::None,
                ..job.clone()
            }),
            None => None,
        };
        let record = Record::of(&service.job, &job, check.as_ref())?;
        let _held = Held::new(self.opened - before);
        Ok(Settled { job, check, record, zygotes: Arc::default(), passes: passed(service), _held })
    }

    fn open_as(&mut self, job: &Job, known: Option<&Record>) -> Result<Granted, Error> {
        let mut modules = BTreeMap::new();
        for (name, path) in &job.grants.modules {
            modules.insert(name.clone(), self.module(path, Role::Child(name), known)?);
        }
        let mut directories = Vec::new();
        for (index, directory) in job.grants.directories.iter().enumerate() {
            directories.push(self.directory(&directory.host, index, known)?);
        }
        let opened = directories.iter().map(|directory| directory.as_fd());
        self.own.check_many(&mut self.seen, job.grants.directories.iter().zip(opened))?;
        Ok(Granted {
            module: self.module(&job.module, Role::Module, known)?,
            directories,
            modules,
            input: self.input(&job.stdin, known)?,
        })
    }

    fn module(&mut self, path: &Path, role: Role<'_>, known: Option<&Record>) -> Result<Arc<Module>, Error> {
        let there = self.modules.get(path);
        let module = match (self.how, there) {
            (How::Now, Some(module)) => return Ok(Arc::clone(module)),
            (How::Now, None) => Arc::new(Module::open(path)?),
            (How::Again(writable), there) => Again { record: known, writable }.module(path, role, there)?,
        };
        self.opened += u64::from(!there.is_some_and(|there| Arc::ptr_eq(there, &module)));
        self.modules.insert(path.into(), Arc::clone(&module));
        Ok(module)
    }

    /// As the person who asked; the descriptor is what travels, not the path.
    fn directory(&mut self, path: &Path, index: usize, known: Option<&Record>) -> Result<Arc<OwnedFd>, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let there = self.directories.get(path);
        let opened = match (self.how, there) {
            (How::Now, Some(directory)) => return Ok(Arc::clone(directory)),
            (How::Now, None) => rustix::fs::open(path, flags, Mode::empty())
                .map_err(|errno| Error::Directory { path: path.into(), cause: errno.into() })?,
            (How::Again(writable), _) => Again { record: known, writable }.directory(path, index)?,
        };
        if let Some(there) = there.filter(|there| writable::is_same(there, &opened)) {
            return Ok(Arc::clone(there));
        }
        let opened = Arc::new(opened);
        self.opened += 1;
        self.directories.insert(path.into(), Arc::clone(&opened));
        Ok(opened)
    }

    fn input(&mut self, stdin: &Stdin, known: Option<&Record>) -> Result<Input, Error> {
        let path = match stdin {
            Stdin::Inherit => return Ok(Input::Inherit),
            Stdin::None => return Ok(Input::None),
            Stdin::File(path) => path,
        };
        let fail = |errno: rustix::io::Errno| Error::Stdin { path: path.clone(), cause: errno.into() };
        let file = Arc::new(match self.how {
            How::Now => rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(fail)?,
            How::Again(writable) => Again { record: known, writable }.input(path)?,
        });
        // Whether it can be read is said at once, not at the first attempt. Whoever waits at the other end of a FIFO would
        // take this for the reader that it waits for.
        let status = rustix::fs::fstat(&file).map_err(fail)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::Fifo {
            reader(path, &file)?;
        }
        self.opened += 1;
        Ok(Input::File { path: path.clone(), file })
    }
}
