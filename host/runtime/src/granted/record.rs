//! The stored identity of a job's granted files, by which the next daemon recognises them.

use super::usable::{Granted, Input};
use super::writable::{FileId, Status};
use crate::error::Error;
use crate::module::{Module, Stamp};
use crate::mounts::path_of;
use sandhog_protocol::plan::Access;
use sandhog_spec::job::Job;
use sandhog_spec::setting::Setting;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::AsFd;

/// What the operator granted a job, by what tells it from everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When that was, counted: the operator's n-th word to this state. See [`WasWritable`].
    #[serde(default)]
    pub settled: u64,
    pub module: Option<ModuleRecord>,
    pub check: Option<ModuleRecord>,
    pub children: BTreeMap<String, ModuleRecord>,
    pub directories: Vec<DirectoryRecord>,
    pub stdin: Option<FileId>,
}

/// A module is what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleRecord {
    /// BLAKE3, as hexadecimal digits.
    pub hash: String,
    /// Where nothing of this has changed, nor have the bytes.
    pub stamp: Stamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryRecord {
    pub id: FileId,
    /// Its path without links, where that is text.
    pub path: Option<String>,
    pub writable: bool,
}

/// A directory that jobs could write until the operator took that away: what they have left there may still wait for
/// another job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WasWritable {
    pub path: String,
    pub id: FileId,
    /// Jobs that were settled since ([`Record::settled`]) are settled on what was left there.
    pub until: u64,
}

impl Record {
    /// Reads the modules.
    ///
    /// # Errors
    /// One can't be read.
    pub(super) fn of(job: &Job, granted: &Granted, check: Option<&Granted>) -> Result<Self, Error> {
        let module = |module: &Module| -> Result<ModuleRecord, Error> {
            Ok(ModuleRecord { hash: module.hash_now()?.to_hex().to_string(), stamp: module.stamp()? })
        };
        let mut children = BTreeMap::new();
        for (name, child) in &granted.modules {
            children.insert(name.clone(), module(child)?);
        }
        let mut directories = Vec::new();
        for (fd, directory) in granted.directories.iter().zip(&job.grants.directories) {
            let fail =
                |errno: rustix::io::Errno| Error::Directory { path: directory.host.clone(), cause: errno.into() };
            directories.push(DirectoryRecord {
                id: Status::of(fd.as_fd()).map_err(fail)?.id,
                path: path_of(fd.as_fd()).ok().and_then(|path| path.into_os_string().into_string().ok()),
                writable: directory.access == Access::ReadWrite,
            });
        }
        let stdin = match &granted.input {
            Input::File { path, file } => {
                let fail = |errno: rustix::io::Errno| Error::Stdin { path: path.clone(), cause: errno.into() };
                Some(Status::of(file.as_fd()).map_err(fail)?.id)
            }
            Input::Inherit | Input::None => None,
        };
        Ok(Self {
            settled: 0,
            module: Some(module(&granted.module)?),
            check: check.map(|check| module(&check.module)).transpose()?,
            children,
            directories,
            stdin,
        })
    }

    /// Which settings lead to something else than `before`.
    pub(super) fn differing(&self, before: &Self) -> Vec<Setting> {
        let hash = |module: &Option<ModuleRecord>| module.as_ref().map(|module| module.hash.clone());
        let children = |record: &Self| -> Vec<(String, String)> {
            record.children.iter().map(|(name, module)| (name.clone(), module.hash.clone())).collect()
        };
        let directories = |record: &Self| record.directories.iter().map(|directory| directory.id).collect::<Vec<_>>();
        let all = [
            (Setting::Module, hash(&self.module) != hash(&before.module)),
            (Setting::Child, children(self) != children(before)),
            (Setting::Dir, directories(self) != directories(before)),
            (Setting::Stdin, self.stdin != before.stdin),
            (Setting::HealthCommand, hash(&self.check) != hash(&before.check)),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(setting, _)| setting).collect()
    }

    /// Directories that the job may write.
    pub fn writable(&self) -> impl Iterator<Item = &DirectoryRecord> {
        self.directories.iter().filter(|directory| directory.writable)
    }
}
