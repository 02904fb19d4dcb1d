//! What a job is given open: its standard streams and its granted directories.

use super::dispatch::Error;
use crate::config::job::{Job, Stdin};
use crate::supervisor::driver::{Direction, Pump};
use crate::supervisor::output::Meter;
use crate::sys::process;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

/// A job's streams.
pub(super) struct Streams {
    /// The worker's ends: stdin, stdout, stderr.
    pub stdio: [OwnedFd; 3],
    /// What moves the bytes between their other ends and the command's own streams.
    pub pumps: Vec<Pump>,
    /// What counts them, in the same order.
    pub meters: [Meter; 3],
}

/// Makes the streams; nothing moves yet.
pub(super) fn open(job: &Job) -> Result<Streams, Error> {
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(io::Error::from);
    let (guest, to) = pipe()?;
    let input = Meter::default();
    let fed = input_of(job)?.map(|from| Pump { from, to, meter: input.clone(), direction: Direction::Input });
    let mut pumps: Vec<Pump> = fed.into_iter().collect();
    let out = Meter::new(job.limits.max_output_bytes);
    let err = out.beside();
    let (stdout, stderr) = (pipe()?, pipe()?);
    for ((from, number), meter) in [stdout.0, stderr.0].into_iter().zip([1, 2]).zip([&out, &err]) {
        let to = process::borrow(number).try_clone_to_owned()?;
        pumps.push(Pump { from, to, meter: meter.clone(), direction: Direction::Output });
    }
    Ok(Streams { stdio: [guest, stdout.1, stderr.1], pumps, meters: [input, out, err] })
}

/// Where stdin comes from; `None`: it ends at once.
fn input_of(job: &Job) -> Result<Option<OwnedFd>, Error> {
    match &job.stdin {
        Stdin::None => Ok(None),
        Stdin::Inherit => Ok(Some(process::borrow(0).try_clone_to_owned()?)),
        Stdin::File(path) => {
            let fail = |cause| Error::Stdin { path: path.clone(), cause };
            let file = File::open(path).map_err(fail)?;
            let is_directory = file.metadata().map_err(fail)?.is_dir();
            if is_directory { Err(fail(io::ErrorKind::IsADirectory.into())) } else { Ok(Some(file.into())) }
        }
    }
}

/// Opens each granted directory as the person who asked; the descriptor is what travels, not the path.
pub(super) fn open_directories(job: &Job) -> Result<Vec<OwnedFd>, Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directories = job.grants.directories.iter();
    directories
        .map(|directory| {
            let path = &directory.host;
            let opened = rustix::fs::open(path, flags, Mode::empty());
            opened.map_err(|errno| Error::Directory { path: path.clone(), cause: errno.into() })
        })
        .collect()
}
