//! The wall of resource limits, getrlimit(2): what one process may use, before its cgroup is asked.
//!
//! It must not limit the address space: the engine reserves gigabytes that it never touches. Memory is
//! limited by the engine, by the data limit here and by the cgroup.
//!
//! Soft and hard limits are set to the same value, so that none can be raised again. Where the process
//! already has a lower hard limit, that one stays: a limit is never lifted.

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use sandhog_protocol::plan::Rlimits;
use sandhog_sys::signal;
use std::io;

/// RLIMIT_STACK, in bytes: the stack of the process's first thread. Linux's own default; a guest's stack is
/// the engine's and has a limit of its own.
const STACK: u64 = 8 << 20;

/// RLIMIT_SIGPENDING: signals in the queue of this user. Timers by setitimer(2) need none; a few for whatever
/// the runtime does.
const PENDING_SIGNALS: u64 = 32;

/// Why the wall was not built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("limit {name} to {limit}")]
    Limit {
        name: &'static str,
        limit: u64,
        #[source]
        source: io::Error,
    },
    #[error("ignore SIGXFSZ")]
    Ignore(#[source] io::Error),
}

/// A limit, with the name that getrlimit(2) gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    name: &'static str,
    resource: Resource,
    value: u64,
}

/// Limits the calling process, for good.
///
/// - `reserved_files`: fds that the worker itself needs beside the guest's. RLIMIT_NOFILE bounds fd *numbers*, so the
///   worker's own must have low ones, and those that are open already stay open.
/// - `processes`: RLIMIT_NPROC, processes and threads of this user; the stand-in for the cgroup's pids limit where
///   there is none. It counts all processes that the user has in this user namespace. None: unlimited here.
///
/// CPU time is the backstop only: at `cpu_s` the kernel kills, also the first process of a pid namespace.
/// A file that grows beyond `file_bytes` is an error to the guest only after [`ignore_file_size_signal`].
///
/// # Errors
/// The first limit that could not be set; those before it hold.
pub fn apply(limits: &Rlimits, reserved_files: u32, processes: Option<u64>) -> Result<(), Error> {
    list(limits, reserved_files, processes).into_iter().flatten().try_for_each(set)
}

/// Limits the tasks of a zygote and of all that it clones, where no cgroup does: RLIMIT_NPROC, counted in its user namespace
/// for each of the ids there. Each worker limits itself once more.
///
/// # Errors
/// [`Error::Limit`].
pub fn limit_tasks(count: u64) -> Result<(), Error> {
    set(Limit { name: "RLIMIT_NPROC", resource: Resource::Nproc, value: count })
}

/// Makes the kernel answer EFBIG, and send no signal, to a write beyond RLIMIT_FSIZE. The zygote calls this
/// once: its workers inherit it.
///
/// # Errors
/// [`Error::Ignore`].
pub fn ignore_file_size_signal() -> Result<(), Error> {
    signal::ignore(libc::SIGXFSZ).map_err(Error::Ignore)
}

/// Every limit, in the order in which they are set.
fn list(limits: &Rlimits, reserved_files: u32, processes: Option<u64>) -> [Option<Limit>; 12] {
    let limit = |name, resource, value| Some(Limit { name, resource, value });
    let files = u64::from(limits.open_files) + u64::from(reserved_files);
    [
        // A core file would hold what the guest has read, where the guest does not decide.
        limit("RLIMIT_CORE", Resource::Core, 0),
        limit("RLIMIT_NOFILE", Resource::Nofile, files),
        limit("RLIMIT_FSIZE", Resource::Fsize, limits.file_bytes),
        limit("RLIMIT_DATA", Resource::Data, limits.data_bytes),
        limit("RLIMIT_STACK", Resource::Stack, STACK),
        // Nothing is locked in memory, nothing runs before others.
        limit("RLIMIT_MEMLOCK", Resource::Memlock, 0),
        limit("RLIMIT_MSGQUEUE", Resource::Msgqueue, 0),
        limit("RLIMIT_NICE", Resource::Nice, 0),
        limit("RLIMIT_RTPRIO", Resource::Rtprio, 0),
        limit("RLIMIT_SIGPENDING", Resource::Sigpending, PENDING_SIGNALS),
        limits.cpu_s.and_then(|seconds| limit("RLIMIT_CPU", Resource::Cpu, seconds)),
        processes.and_then(|count| limit("RLIMIT_NPROC", Resource::Nproc, count)),
    ]
}

fn set(limit: Limit) -> Result<(), Error> {
    let Limit { name, resource, value } = limit;
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    let result = match setrlimit(resource, both(value)) {
        // It has a lower hard limit, and no right to lift it.
        Err(Errno::PERM) => match getrlimit(resource).maximum {
            Some(hard) if hard < value => setrlimit(resource, both(hard)),
            Some(_) | None => Err(Errno::PERM),
        },
        other => other,
    };
    result.map_err(|error| Error::Limit { name, limit: value, source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::{Rlimits, apply, ignore_file_size_signal, list};
    use rustix::{
        fs::{MemfdFlags, memfd_create},
        io::Errno,
        process::{Resource, Rlimit, getrlimit, setrlimit},
    };
    use sandhog_sys::child::{self, Ended};
    use std::{fs::File, os::unix::fs::FileExt};

    const LIMITS: Rlimits = Rlimits { data_bytes: 1 << 30, file_bytes: 4096, open_files: 20, cpu_s: None };

    #[test]
    fn each_limit_is_soft_and_hard_and_can_t_be_raised_again() {
        let ended = child::run(|| {
            apply(&LIMITS, 5, Some(1000)).unwrap();
            let expected = [
                (Resource::Core, 0),
                (Resource::Nofile, 25),
                (Resource::Fsize, 4096),
                (Resource::Data, 1 << 30),
                (Resource::Stack, 8 << 20),
                (Resource::Memlock, 0),
                (Resource::Msgqueue, 0),
                (Resource::Nice, 0),
                (Resource::Rtprio, 0),
                (Resource::Sigpending, 32),
                (Resource::Nproc, 1000),
            ];
            for (resource, value) in expected {
                let limit = getrlimit(resource);
                assert_eq!((limit.current, limit.maximum), (Some(value), Some(value)), "{resource:?}");
            }
            // Root could raise them, its workers can't: they have another identity and no capability.
            0
        });
        assert_eq!(ended, Ended::Exited(0));
    }

    #[test]
    fn a_limit_that_the_job_does_not_set_is_left_alone() {
        let names: Vec<_> = list(&LIMITS, 0, None).into_iter().flatten().map(|limit| limit.name).collect();
        assert!(!names.contains(&"RLIMIT_CPU") && !names.contains(&"RLIMIT_NPROC"));
        let limits = Rlimits { cpu_s: Some(3), ..LIMITS };
        let cpu = list(&limits, 0, Some(9)).into_iter().flatten().find(|limit| limit.name == "RLIMIT_CPU");
        assert_eq!(cpu.map(|limit| limit.value), Some(3));
    }

    #[test]
    fn a_lower_hard_limit_stays() {
        let ended = child::run(|| {
            let low = Rlimit { current: Some(2048), maximum: Some(2048) };
            setrlimit(Resource::Fsize, low).unwrap();
            if rustix::process::geteuid().is_root() {
                let nobody = rustix::process::Uid::from_raw(65534);
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            apply(&LIMITS, 5, None).unwrap();
            i32::from(getrlimit(Resource::Fsize).maximum != Some(2048))
        });
        assert_eq!(ended, Ended::Exited(0));
    }

    #[test]
    fn a_file_beyond_the_limit_is_an_error_and_no_signal() {
        let file = File::from(memfd_create("large", MemfdFlags::CLOEXEC).unwrap());
        let ended = child::run(|| {
            ignore_file_size_signal().unwrap();
            apply(&LIMITS, 200, None).unwrap();
            file.write_all_at(&[1; 4096], 0).unwrap();
            let error = file.write_at(&[1], 4096).unwrap_err();
            i32::from(Errno::from_io_error(&error) != Some(Errno::FBIG))
        });
        assert_eq!(ended, Ended::Exited(0));
    }

    #[test]
    fn no_more_files_are_opened_than_granted() {
        let ended = child::run(|| {
            apply(&Rlimits { open_files: 0, ..LIMITS }, 0, None).unwrap();
            i32::from(File::open("/").map_err(|error| Errno::from_io_error(&error)).err() != Some(Some(Errno::MFILE)))
        });
        assert_eq!(ended, Ended::Exited(0));
    }

    #[test]
    fn memory_beyond_the_data_limit_is_refused() {
        let ended = child::run(|| {
            apply(&Rlimits { data_bytes: 64 << 20, ..LIMITS }, 200, None).unwrap();
            let mut memory: Vec<u8> = Vec::new();
            i32::from(memory.try_reserve_exact(128 << 20).is_ok())
        });
        assert_eq!(ended, Ended::Exited(0));
    }

    #[test]
    fn the_cpu_limit_kills_the_first_process_of_a_pid_namespace() {
        let ended = child::run(|| {
            if child::unshare_pids().is_err() {
                eprintln!("rlimits: no pid namespace to be had, so that the CPU limit was tried without one");
            }
            let ended = child::run(|| {
                apply(&Rlimits { cpu_s: Some(1), ..LIMITS }, 200, None).unwrap();
                loop {
                    std::hint::spin_loop();
                }
            });
            i32::from(ended != Ended::Signalled(libc::SIGKILL))
        });
        assert_eq!(ended, Ended::Exited(0));
    }
}
