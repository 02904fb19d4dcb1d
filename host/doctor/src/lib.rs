//! Proves the walls: native code in the guest's place tries what is forbidden.
//!
//! ```text
//! matrix: trial × {no wall, that wall alone, all walls} ──▶ attempt ──▶ coordinator … worker ──▶ probes
//! ```
//!
//! Must not: build a wall or start a process. A trial is an ordinary attempt of the coordinator's, with the plan and
//! the walls of any other; the probes are in the worker's executable, but nothing in a job leads to them.

pub mod attempt;
#[cfg(feature = "hostile")]
pub mod hostile;
pub mod matrix;
pub mod stage;

pub use sandhog_probes::Probe;
use sandhog_protocol::plan::Wall;
use sandhog_sandbox::seccomp;
use stage::Stage;

/// For one wall: something that it stops without the help of any other.
pub struct Trial {
    pub wall: Wall,
    /// What the probe tries, in words.
    pub tries: &'static str,
    pub probe: fn(&Stage) -> Probe,
}

/// Mebibytes that the probe of the cgroup asks for, and that [`attempt`] does not give.
pub const TOO_MUCH_MIB: u64 = 96;

/// One trial for each wall, in the order of [`Wall::ALL`]. With all walls up each is stopped as well, if need be by
/// another one.
pub static TRIALS: [Trial; 9] = [
    // A network namespace of its own has no way to the machine's loopback interface.
    Trial {
        wall: Wall::Namespaces,
        tries: "connect to a port on 127.0.0.1",
        probe: |stage| Probe::Connect(stage.port()),
    },
    Trial {
        wall: Wall::Root,
        tries: "read a file that everybody may read",
        probe: |stage| Probe::Read(stage.public()),
    },
    // uid 0 owns the files of root, with or without capabilities.
    Trial {
        wall: Wall::Identity,
        tries: "read a private file of the person's",
        probe: |stage| Probe::Read(stage.private()),
    },
    // CAP_SYS_CHROOT; into the root that it has, so that nothing changes where it works.
    Trial { wall: Wall::Capabilities, tries: "use a right of root's (chroot)", probe: |_| Probe::Chroot },
    Trial { wall: Wall::Rlimits, tries: "open 256 files at once", probe: |_| Probe::OpenFiles },
    // Memory of a file in memory: RLIMIT_DATA does not count it.
    Trial {
        wall: Wall::Cgroup,
        tries: "fill 96 MiB of memory that no process owns",
        probe: |_| Probe::SharedMemory(TOO_MUCH_MIB),
    },
    // Landlock does not see a change of mode.
    Trial { wall: Wall::Directories, tries: "change a mode in a read-only directory", probe: |_| Probe::ChmodGranted },
    Trial { wall: Wall::Landlock, tries: "leave a granted directory by ..", probe: |_| Probe::CwdEscape },
    Trial { wall: Wall::Seccomp, tries: "become root of a new user namespace", probe: |_| Probe::Userns },
];

/// The system calls that a guest's worker may make, by number, each with its name and the reasons for it. The rest
/// ends it.
pub fn allowed_syscalls() -> seccomp::Calls {
    seccomp::allowed(seccomp::Filter::WORKER)
}

/// The system calls that are answered with an error in a guest's worker, and never made.
pub fn answered_syscalls() -> seccomp::Calls {
    seccomp::answered(seccomp::Filter::WORKER)
}

/// The call that a probe makes by its number; `None` where it makes none, or one that is not known.
pub fn syscall_of(probe: &Probe) -> Option<&'static str> {
    if let Probe::Syscall(number) = probe { seccomp::name(*number) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wall_has_its_trial() {
        assert_eq!(TRIALS.each_ref().map(|trial| trial.wall), Wall::ALL);
    }

    #[test]
    fn the_words_say_how_much_memory() {
        assert!(TRIALS[5].tries.contains(&format!("{TOO_MUCH_MIB} MiB")));
    }
}
