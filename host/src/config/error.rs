//! Why there is no such job: one sentence each, and what to do about it.

use super::job::{CHILDREN_MOST, COMPILE_MEMORY_LEAST, FILES_MOST, MEMORY_LEAST, MEMORY_MOST, NAME_LONGEST};
use super::units::print_size;
use super::{connection, grants};
use sandhog_protocol::limits;

/// Why there is no such job. The text names the flag and what was given.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Grants(#[from] grants::Error),
    #[error(transparent)]
    Connection(#[from] connection::Error),
    #[error("no module is given")]
    NoModule,
    #[error("the job's name \"{0}\" holds characters that do not show as themselves")]
    NameNotPlain(String),
    #[error("the job's name is empty or longer than {NAME_LONGEST} bytes: \"{0}\"")]
    NameLength(String),
    #[error("argument {number} is not UTF-8: \"{shown}\"")]
    ArgumentNotUtf8 { number: usize, shown: String },
    #[error("argument {number} holds a null character: \"{shown}\"")]
    ArgumentNull { number: usize, shown: String },
    #[error("--argv0 is not UTF-8, or holds a null character: \"{0}\"")]
    Argv0(String),
    #[error("arguments, variables and paths of directories take {0} bytes, more than {limit}", limit = limits::ARGUMENTS)]
    ArgumentsTooLong(usize),
    #[error("--memory {}: less than {}, one page of WebAssembly memory", print_size(*.0), print_size(MEMORY_LEAST))]
    MemoryTooSmall(u64),
    #[error("{flag} {}: more than {}, the most that one job can have", print_size(*.bytes), print_size(MEMORY_MOST))]
    MemoryTooLarge { flag: &'static str, bytes: u64 },
    #[error(
        "--compile-memory {}: less than {}, which the compiler needs for itself",
        print_size(*.0),
        print_size(COMPILE_MEMORY_LEAST)
    )]
    CompileMemoryTooSmall(u64),
    #[error("{flag} 0: no job can run for no time")]
    NoTime { flag: &'static str },
    #[error("--fuel 0: no job can run on no fuel")]
    NoFuel,
    #[error("--max-files 0: a guest needs at least one open file")]
    NoFiles,
    #[error("--max-files {0}: more than {FILES_MOST}, the most that the kernel allows one process")]
    TooManyFiles(u64),
    #[error("{flag} {count}: more than {CHILDREN_MOST}, the most that one job can have")]
    TooManyChildren { flag: &'static str, count: u64 },
    #[error("--stdin: the name of the file is empty")]
    NoStdinFile,
    #[error("--user \"{0}\": neither auto, keep nor UID:GID")]
    UserUnknown(String),
    #[error("--user {0}: a guest is never root")]
    UserIsRoot(String),
    #[error("--user keep: you are root, and a guest is never root")]
    UserKeepsRoot,
    #[error("--user {uid}:{gid}: only root can give a worker another identity")]
    UserNeedsRoot { uid: u32, gid: u32 },
    #[error("--verdict: the name of the file is empty")]
    NoVerdictFile,
    #[error("--verdict -: stdout belongs to the guest")]
    VerdictOnStdout,
    #[error("--coredump: name a file")]
    NoCoredumpFile,
}

impl Error {
    /// What to do, where the error alone does not say it.
    pub(crate) const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Grants(error) => error.hint(),
            Self::Connection(error) => error.hint(),
            Self::NoModule => Some("write sandhog run FILE, where FILE is a .wasm or .wat"),
            Self::NameNotPlain(_) | Self::NameLength(_) => {
                Some("a job is named after its module: give the file a plain name, or a link to it that has one")
            }
            Self::ArgumentNotUtf8 { .. } | Self::ArgumentNull { .. } | Self::Argv0(_) => {
                Some("guests get UTF-8 text; hand other bytes over in a file or on stdin")
            }
            Self::ArgumentsTooLong(_) => Some("hand the rest over in a file or on stdin"),
            Self::MemoryTooSmall(_) => Some("leave --memory out for 512MiB"),
            Self::MemoryTooLarge { .. } => None,
            Self::CompileMemoryTooSmall(_) => Some("leave --compile-memory out for 2GiB"),
            Self::NoTime { flag } => match flag.as_bytes() {
                b"--compile-timeout" => Some("leave it out for 120s"),
                _ => Some("leave it out for no limit"),
            },
            Self::NoFuel => Some("leave it out for no limit"),
            Self::NoFiles => Some("leave --max-files out for 256"),
            Self::TooManyFiles(_) | Self::TooManyChildren { .. } => None,
            Self::NoStdinFile => Some("write --stdin none for no input, --stdin - for the command's own"),
            Self::UserUnknown(_) => Some("write both ids, such as --user 1000:1000"),
            Self::UserIsRoot(_) | Self::UserKeepsRoot => {
                Some("leave --user out for an identity that nobody else has, or name one: --user 1000:1000")
            }
            Self::UserNeedsRoot { .. } => Some("leave --user out: the worker then keeps your identity"),
            Self::NoCoredumpFile => Some("stdout belongs to the guest: --coredump FILE"),
            Self::NoVerdictFile | Self::VerdictOnStdout => {
                Some("name a file, or a pipe of your own: --verdict /dev/fd/3 3>verdict.json")
            }
        }
    }
}
