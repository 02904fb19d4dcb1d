//! The probes by their names, and what each needs before it can be tried.
//!
//! Must not: try one.

#[cfg(feature = "hostile")]
use super::lies::Lie;
use std::fmt;
use std::path::{Path, PathBuf};

/// One forbidden thing. In brackets the name for `sandhog doctor --probe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `connect:PORT`: TCP, to 127.0.0.1.
    Connect(u16),
    /// `udp`: a datagram socket.
    Udp,
    /// `abstract-socket:NAME`
    AbstractSocket(String),
    /// `path-socket:PATH`
    PathSocket(PathBuf),
    /// `read:PATH`, by openat2, which is on the list.
    Read(PathBuf),
    /// `proc`: its own status in /proc.
    Proc,
    /// `cwd-escape`: `..` through the granted directory.
    CwdEscape,
    /// `own-executable`: opens it for writing, by name or by a descriptor that was left open.
    OwnExecutable,
    /// `chmod-granted`, and so on: changes of the file in the granted, read-only directory.
    ChmodGranted,
    SetxattrGranted,
    UtimesGranted,
    CreateGranted,
    /// `setuid-file`: executes the setuid file in the granted directory.
    SetuidFile,
    /// `device-node`: makes one.
    DeviceNode,
    /// `setuid`: becomes root, or somebody else.
    Setuid,
    Chroot,
    /// `mount`: opens a file system to be mounted.
    Mount,
    /// `userns`: a user namespace.
    Userns,
    /// `kill:PID` with signal 0, which only asks whether it may.
    Kill(i32),
    /// `tgkill:PID`: signal 0 by the one call of that kind which an abort makes.
    Tgkill(i32),
    /// `ptrace:PID`
    Ptrace(i32),
    Getppid,
    Exec,
    Bpf,
    Keyctl,
    Perf,
    /// `syscall:N`, with zeros.
    Syscall(u32),
    /// `x32:N`, with zeros.
    X32(u32),
    /// `int80`: getpid by the 32-bit entry.
    Int80,
    /// `open-files`: by openat.
    OpenFiles,
    /// `files`: by copies of a descriptor, which are on the list.
    Files,
    /// `memory:MIB` of its own.
    Memory(u64),
    /// `shared-memory:MIB`, of a file in memory.
    SharedMemory(u64),
    /// `shared-mapping:MIB`, of no file: RLIMIT_DATA does not count it.
    SharedMapping(u64),
    /// `written-code`: writes code, makes it executable and calls it.
    WrittenCode,
    /// `priority-lock`: a futex that inherits priorities.
    PriorityLock,
    /// `timer`: makes one.
    Timer,
    /// `stack`: recursion without end.
    Stack,
    /// `spin`: a loop without end.
    Spin,
    ForkBomb,
    ThreadBomb,
    /// `fds`: any descriptor that is not its own.
    Fds,
    /// `env`: any variable that is not ours.
    Env,
    /// `lie:LIE`: breaks the protocol.
    #[cfg(feature = "hostile")]
    Lie(Lie),
}

impl Probe {
    /// The probe of this name; `None` where there is none, or where its argument is not one.
    pub fn parse(name: &str) -> Option<Self> {
        let (word, argument) = name.split_once(':').map_or((name, None), |(word, argument)| (word, Some(argument)));
        match argument {
            Some(argument) => Self::with_argument(word, argument),
            None => Self::plain().into_iter().find(|probe| probe.to_string() == word),
        }
    }

    fn with_argument(word: &str, argument: &str) -> Option<Self> {
        let path = || Path::new(argument).is_absolute().then(|| PathBuf::from(argument));
        match word {
            "connect" => argument.parse().ok().map(Self::Connect),
            "abstract-socket" => Some(Self::AbstractSocket(argument.into())),
            "path-socket" => path().map(Self::PathSocket),
            "read" => path().map(Self::Read),
            "kill" => argument.parse().ok().filter(|pid| *pid > 0).map(Self::Kill),
            "tgkill" => argument.parse().ok().filter(|pid| *pid > 0).map(Self::Tgkill),
            "ptrace" => argument.parse().ok().filter(|pid| *pid > 0).map(Self::Ptrace),
            "syscall" => argument.parse().ok().map(Self::Syscall),
            "x32" => argument.parse().ok().map(Self::X32),
            #[cfg(feature = "hostile")]
            "lie" => Lie::parse(argument).map(Self::Lie),
            "memory" => argument.parse().ok().map(Self::Memory),
            "shared-memory" => argument.parse().ok().map(Self::SharedMemory),
            "shared-mapping" => argument.parse().ok().map(Self::SharedMapping),
            _ => None,
        }
    }

    /// Those that take no argument.
    fn plain() -> [Self; 31] {
        [
            Self::Udp,
            Self::Proc,
            Self::CwdEscape,
            Self::OwnExecutable,
            Self::ChmodGranted,
            Self::SetxattrGranted,
            Self::UtimesGranted,
            Self::CreateGranted,
            Self::SetuidFile,
            Self::DeviceNode,
            Self::Setuid,
            Self::Chroot,
            Self::Mount,
            Self::Userns,
            Self::Getppid,
            Self::Exec,
            Self::Bpf,
            Self::Keyctl,
            Self::Perf,
            Self::Int80,
            Self::OpenFiles,
            Self::Files,
            Self::WrittenCode,
            Self::PriorityLock,
            Self::Timer,
            Self::Stack,
            Self::Spin,
            Self::ForkBomb,
            Self::ThreadBomb,
            Self::Fds,
            Self::Env,
        ]
    }

    /// What its zygote does instead of cloning a worker.
    pub fn zygotes_lie(&self) -> Option<&str> {
        #[cfg(feature = "hostile")]
        if let Self::Lie(Lie::Zygote(steps)) = self {
            return Some(steps);
        }
        None
    }

    /// Whether it needs the granted directory.
    pub fn wants_directory(&self) -> bool {
        match self {
            Self::CwdEscape
            | Self::ChmodGranted
            | Self::SetxattrGranted
            | Self::UtimesGranted
            | Self::CreateGranted
            | Self::SetuidFile
            | Self::DeviceNode
            | Self::Fds => true,
            Self::Connect(_)
            | Self::Udp
            | Self::AbstractSocket(_)
            | Self::PathSocket(_)
            | Self::Read(_)
            | Self::Proc
            | Self::OwnExecutable
            | Self::Setuid
            | Self::Chroot
            | Self::Mount
            | Self::Userns
            | Self::Kill(_)
            | Self::Tgkill(_)
            | Self::Ptrace(_)
            | Self::Getppid
            | Self::Exec
            | Self::Bpf
            | Self::Keyctl
            | Self::Perf
            | Self::Syscall(_)
            | Self::X32(_)
            | Self::Int80
            | Self::OpenFiles
            | Self::Files
            | Self::Memory(_)
            | Self::SharedMemory(_)
            | Self::SharedMapping(_)
            | Self::WrittenCode
            | Self::PriorityLock
            | Self::Timer
            | Self::Stack
            | Self::Spin
            | Self::ForkBomb
            | Self::ThreadBomb
            | Self::Env => false,
            #[cfg(feature = "hostile")]
            Self::Lie(_) => false,
        }
    }

    /// Whether it may be tried only behind the filter: done for real, such a call might harm the machine.
    pub fn needs_filter(&self) -> bool {
        matches!(self, Self::Syscall(_) | Self::X32(_))
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(port) => write!(f, "connect:{port}"),
            Self::Udp => f.write_str("udp"),
            Self::AbstractSocket(name) => write!(f, "abstract-socket:{name}"),
            Self::PathSocket(path) => write!(f, "path-socket:{}", path.display()),
            Self::Read(path) => write!(f, "read:{}", path.display()),
            Self::Proc => f.write_str("proc"),
            Self::CwdEscape => f.write_str("cwd-escape"),
            Self::OwnExecutable => f.write_str("own-executable"),
            Self::ChmodGranted => f.write_str("chmod-granted"),
            Self::SetxattrGranted => f.write_str("setxattr-granted"),
            Self::UtimesGranted => f.write_str("utimes-granted"),
            Self::CreateGranted => f.write_str("create-granted"),
            Self::SetuidFile => f.write_str("setuid-file"),
            Self::DeviceNode => f.write_str("device-node"),
            Self::Setuid => f.write_str("setuid"),
            Self::Chroot => f.write_str("chroot"),
            Self::Mount => f.write_str("mount"),
            Self::Userns => f.write_str("userns"),
            Self::Kill(pid) => write!(f, "kill:{pid}"),
            Self::Tgkill(pid) => write!(f, "tgkill:{pid}"),
            Self::Ptrace(pid) => write!(f, "ptrace:{pid}"),
            Self::Getppid => f.write_str("getppid"),
            Self::Exec => f.write_str("exec"),
            Self::Bpf => f.write_str("bpf"),
            Self::Keyctl => f.write_str("keyctl"),
            Self::Perf => f.write_str("perf"),
            Self::Syscall(number) => write!(f, "syscall:{number}"),
            Self::X32(number) => write!(f, "x32:{number}"),
            Self::Int80 => f.write_str("int80"),
            Self::OpenFiles => f.write_str("open-files"),
            Self::Files => f.write_str("files"),
            Self::Memory(mebibytes) => write!(f, "memory:{mebibytes}"),
            Self::SharedMemory(mebibytes) => write!(f, "shared-memory:{mebibytes}"),
            Self::SharedMapping(mebibytes) => write!(f, "shared-mapping:{mebibytes}"),
            Self::WrittenCode => f.write_str("written-code"),
            Self::PriorityLock => f.write_str("priority-lock"),
            Self::Timer => f.write_str("timer"),
            Self::Stack => f.write_str("stack"),
            Self::Spin => f.write_str("spin"),
            Self::ForkBomb => f.write_str("fork-bomb"),
            Self::ThreadBomb => f.write_str("thread-bomb"),
            Self::Fds => f.write_str("fds"),
            Self::Env => f.write_str("env"),
            #[cfg(feature = "hostile")]
            Self::Lie(lie) => write!(f, "lie:{lie}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_known_by_its_name() {
        let named = [
            "connect:80",
            "read:/a",
            "kill:7",
            "syscall:335",
            "x32:0",
            "memory:1",
            "shared-memory:2",
            "shared-mapping:3",
            "tgkill:7",
            #[cfg(feature = "hostile")]
            "lie:relay",
            #[cfg(feature = "hostile")]
            "lie:fds:200",
            #[cfg(feature = "hostile")]
            "lie:zygote:clone,send:a0f1+3,worker",
        ];
        for name in named {
            assert_eq!(Probe::parse(name).unwrap().to_string(), name);
        }
        for probe in Probe::plain() {
            assert_eq!(Probe::parse(&probe.to_string()), Some(probe));
        }
    }

    #[test]
    fn what_is_no_probe_is_refused() {
        for name in [
            "",
            "nothing",
            "connect",
            "connect:",
            "connect:x",
            "read:relative",
            "kill:0",
            "kill:-1",
            "udp:1",
            "lie:fds:999",
            "lie:zygote:nothing",
            "lie:zygote:send:a",
        ] {
            assert_eq!(Probe::parse(name), None, "{name}");
        }
    }
}
