//! What a guest starts with: the plan's arguments, environment and granted directories, and clocks of its own. Nothing is
//! inherited, nothing is resolved by a path of the host's. The functions of WASI 0.1 are [`super::preview1`]'s; those of
//! components are the library's.

use super::{
    guest::Guest,
    preview1::{Table, Texts},
    session::Input,
    stdio::Stdio,
    store::Limiter,
};
use sandhog_protocol::plan::{Access, GuestPlan};
use std::{
    io,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};
use wasmtime_wasi::{FsPerms, HostMonotonicClock, WasiCtxBuilder};

/// Why a guest's side of the host could not be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("failed to take {files} granted directories for {names} names")]
    Directories { names: usize, files: usize },
    #[error("failed to enter the granted directory {name}")]
    Enter { name: String, source: io::Error },
    #[error("failed to open the granted directory {name}")]
    Open { name: String, source: wasmtime::Error },
}

/// The variable that says how many descriptors from 3 on are sockets that listen. Source: sd_listen_fds(3); other runtimes of
/// WASI 0.1 say it the same way.
const LISTEN_FDS: &str = "LISTEN_FDS";

/// What a core module of `plan` starts with. `input`: who lets its stdin come; `listeners`: on which it listens.
///
/// # Errors
/// Where a granted directory is missing.
pub(super) fn guest(
    plan: &GuestPlan,
    directories: Vec<(OwnedFd, Access)>,
    listeners: Vec<OwnedFd>,
    input: Option<Input>,
) -> Result<Guest, Error> {
    all_there(plan, directories.len())?;
    let mounts: Vec<_> = directories.into_iter().map(|(directory, access)| (Arc::new(directory), access)).collect();
    let granted = plan.directories.iter().zip(&mounts);
    let count = listeners.len().to_string();
    let own = plan.env.iter().any(|(name, _)| name == LISTEN_FDS);
    let listens = (!listeners.is_empty() && !own).then_some((LISTEN_FDS, count.as_str()));
    let variables = plan.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(listens);
    let table = Table::new(listeners, granted.map(|(name, (fd, access))| (name.clone(), Arc::clone(fd), *access)));
    Ok(Guest {
        table,
        args: Texts::new(plan.args.iter().map(|arg| vec![arg.as_str()])),
        environ: Texts::new(variables.map(|(name, value)| vec![name, "=", value])),
        memory: None,
        stdio: input.into_iter().fold(Stdio::new(), Stdio::with_input).with_terminals(plan.terminals),
        limiter: Limiter::new(plan.memory_bytes),
        sharing: None,
        start: Instant::now(),
        mounts: mounts.into_iter().map(|(directory, _)| directory).collect(),
    })
}

fn all_there(plan: &GuestPlan, files: usize) -> Result<(), Error> {
    let names = plan.directories.len();
    if names == files { Ok(()) } else { Err(Error::Directories { names, files }) }
}

/// Grants the plan's directories to a component, in its order.
///
/// # Errors
/// Where one can't be opened, or is missing.
pub(super) fn grant_all(
    builder: &mut WasiCtxBuilder,
    plan: &GuestPlan,
    directories: &[(OwnedFd, Access)],
) -> Result<(), Error> {
    all_there(plan, directories.len())?;
    for (name, (directory, access)) in plan.directories.iter().zip(directories) {
        grant(builder, name, directory, *access)?;
    }
    Ok(())
}

/// The library opens directories by path only. The one path that leads to the fd is `.` while one is in it.
fn grant(builder: &mut WasiCtxBuilder, name: &str, directory: &OwnedFd, access: Access) -> Result<(), Error> {
    let permissions = match access {
        Access::ReadOnly => FsPerms::ReadOnly,
        Access::ReadWrite => FsPerms::ReadWrite,
    };
    rustix::process::fchdir(directory).map_err(|errno| Error::Enter { name: name.to_owned(), source: errno.into() })?;
    builder.preopened_dir(".", name, permissions).map_err(|source| Error::Open { name: name.to_owned(), source })?;
    Ok(())
}

/// The guest's monotonic clock: nanoseconds since its start, so that it tells nothing of the machine's.
pub(super) struct Monotonic(pub(super) Instant);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        nanoseconds(self.0.elapsed())
    }
}

/// 585 years fit.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
