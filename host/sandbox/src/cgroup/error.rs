//! The errors of cgroups, with one variant for each step.

use super::controller::Controller;
use std::{io, path::PathBuf};

/// Why no hierarchy offers a controller, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    #[error("this kernel was built without it")]
    NotBuilt,
    #[error("this kernel was booted without it; boot with cgroup_enable=memory and without cgroup_disable")]
    TurnedOff,
    #[error("no cgroup file system is mounted; mount cgroup2 on /sys/fs/cgroup")]
    NotMounted,
    #[error("the cgroup2 file system at {} does not offer it; in a container, ask its runtime to delegate it", .0.display())]
    NotOffered(PathBuf),
    #[error("no cgroup with it was handed over; a systemd unit has one by Delegate=memory pids")]
    NotHandedOver,
}

impl Error {
    /// There is none to be had.
    pub fn none() -> Self {
        Self::Missing { controller: Controller::Memory, reason: Missing::NotHandedOver }
    }
}

/// Which step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("find the cgroup controller {}", .controller.name())]
    Missing {
        controller: Controller,
        #[source]
        reason: Missing,
    },
    #[error("open the cgroup hierarchy at {}", .path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// EROFS, EACCES: not mounted for writing, or not root.
    #[error("make the directory {}", .path.display())]
    Home {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// EBUSY: this cgroup has processes of its own, as the root of a container has.
    #[error("let the children of {} be limited", .path.display())]
    Enable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("have {} alone: other processes are in it", .path.display())]
    Shared { path: PathBuf },
    #[error("use {name:?} as the name of a cgroup")]
    Name { name: String },
    #[error("make the cgroup {name}")]
    Make {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("set {file} of the cgroup {name}")]
    Limit {
        name: String,
        file: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("enter the cgroup {name}")]
    Enter {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("read {file} of the cgroup {name}")]
    Count {
        name: String,
        file: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("kill the processes of the cgroup {name}")]
    Kill {
        name: String,
        #[source]
        source: io::Error,
    },
    /// Version 2 before Linux 5.14: a process of another pid namespace shows as 0 and can't be named from here.
    #[error("kill the processes of the cgroup {name}: they belong to another pid namespace")]
    Foreign { name: String },
    #[error("remove the cgroup {name}")]
    Remove {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("list the cgroups in {}", .path.display())]
    List {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}
