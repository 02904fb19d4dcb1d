//! A manifest's file: opened without waiting, read whole, its paths looked at as the person who asks.

use super::embedded::Failure;
use super::here;
use super::profile::Profile;
use super::render::problem::Problem;
use super::run::{refusal, surroundings};
use rustix::fs::{Mode, OFlags};
use sandhog_protocol::exit_code;
use sandhog_runtime::granted;
use sandhog_runtime::own_directories::OwnDirectories;
use sandhog_runtime::privilege;
use sandhog_spec::grants::Directory;
use sandhog_spec::manifest::{self, Around, Fault, LONGEST};
use sandhog_spec::service::Service;
use sandhog_spec::service::group::FAULTS_MAX;
use sandhog_spec::setting::Setting;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

pub use sandhog_spec::manifest::Manifest;

/// What is read where no file is named.
const DEFAULT: &str = "sandhog.toml";

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("there is no {DEFAULT} in this folder")]
    NoDefault,
    #[error("there is no manifest at {0:?}")]
    NotFound(PathBuf),
    #[error("failed to read the manifest {path:?}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{0:?} is a directory; name the manifest in it")]
    Directory(PathBuf),
    #[error("{0:?} is no regular file (a pipe, socket or device); a manifest is a file")]
    NotAFile(PathBuf),
    #[error("the manifest {path:?} has {bytes} bytes, more than the limit of {LONGEST}")]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{}:{line}:{column}: the byte 0x{byte:02x} is not UTF-8", .path.display())]
    NotUtf8 { path: PathBuf, line: usize, column: usize, byte: u8 },
    #[error(
        "the folder of the manifest {0:?} has a name that is not UTF-8, which the paths of its jobs would begin with"
    )]
    FolderNotUtf8(PathBuf),
}

impl Error {
    const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoDefault => Some("go to the folder that has it, or name the file"),
            Self::TooLarge { .. } => {
                Some("a manifest is a list of jobs; put what they work with into files of their own")
            }
            Self::NotUtf8 { .. } => Some("save it as UTF-8"),
            Self::FolderNotUtf8(_) => Some("move it"),
            Self::NotFound(_) | Self::Read { .. } | Self::Directory(_) | Self::NotAFile(_) => None,
        }
    }
}

/// The manifest in a file with the profile that is chosen, checked; of `sandhog.toml` in this folder where none is named.
///
/// # Errors
/// It can't be read, or all that is wrong with it; or it does not have the profile.
pub fn load(file: Option<&Path>, profile: &Profile) -> Result<Manifest, Failure> {
    let path = path(file);
    let text = read(path, file.is_none()).map_err(|error| refused(&error))?;
    let source = source_of(path).map_err(|error| refused(&error))?;
    let around = Around { file: &source, profile: profile.name(), surroundings: surroundings(), resolve: &resolve };
    let manifest = Manifest::parse(&text, &around).map_err(|error| match error {
        manifest::Error::Faults(faults) => told(path, &faults),
        manifest::Error::NoProfile { .. } => {
            let problem = Problem::new(format!("{}: {error}", path.display()));
            let problem = profile.hint().into_iter().fold(problem, Problem::with_hint);
            Failure { problem, code: exit_code::REFUSED }
        }
    })?;
    // A file that was cut short is no reason to take everything down.
    if manifest.jobs.is_empty() { Err(empty(path)) } else { Ok(manifest) }
}

fn empty(path: &Path) -> Failure {
    let problem = Problem::new(format!("there is no job in {path:?}"));
    let problem = problem.with_hint("a job begins with [job.NAME]; sandhog down deletes those that are up");
    Failure { problem, code: exit_code::REFUSED }
}

/// What jobs of this manifest say they come from: its absolute path, be there a manifest any more or not.
///
/// # Errors
/// Its folder is not there.
pub fn source(file: Option<&Path>) -> Result<String, Failure> {
    source_of(path(file)).map_err(|error| refused(&error))
}

/// Looks whether everything is there that the manifest names. `file` as for [`load`].
///
/// # Errors
/// What is not, with its places.
pub fn check_files(file: Option<&Path>, manifest: &Manifest) -> Result<(), Failure> {
    let services = manifest.services.iter().enumerate();
    let missing =
        services.flat_map(|(index, service)| missing(service).map(move |(setting, text)| (index, setting, text)));
    let faults: Vec<_> =
        missing.take(FAULTS_MAX).map(|(index, setting, text)| manifest.fault(index, setting, text)).collect();
    if faults.is_empty() { Ok(()) } else { Err(told(path(file), &faults)) }
}

/// What lies where a job of the manifest could put something else in its place, with the places of the keys.
pub fn exposed(file: Option<&Path>, manifest: &Manifest) -> Vec<String> {
    let services: Vec<&Service> = manifest.services.iter().collect();
    let exposed = granted::exposed(&services, [], Some(Path::new(&manifest.source)));
    let path = path(file).display();
    let line = |exposed: granted::Exposed| match exposed.job.zip(exposed.setting) {
        Some((index, setting)) => {
            let Fault { line, column, text } = manifest.fault(index, setting, exposed.to_string());
            format!("{path}:{line}:{column}: {text}")
        }
        None => exposed.to_string(),
    };
    exposed.into_iter().map(line).collect()
}

/// The manifest that is meant.
pub(super) fn path(file: Option<&Path>) -> &Path {
    file.unwrap_or(Path::new(DEFAULT))
}

fn refused(error: &Error) -> Failure {
    let Failure { problem, code } = refusal(error);
    Failure { problem: error.hint().into_iter().fold(problem, Problem::with_hint), code }
}

/// One fault is one line; of several the number comes first.
fn told(path: &Path, faults: &[Fault]) -> Failure {
    let line = |fault: &Fault| format!("{}:{}:{}: {}", path.display(), fault.line, fault.column, fault.text);
    let problem = match faults {
        [fault] => Problem::new(line(fault)),
        faults => {
            let more = if faults.len() >= FAULTS_MAX { "at least " } else { "" };
            let problem = Problem::new(format!("{} has {more}{} faults", path.display(), faults.len()));
            faults.iter().map(line).fold(problem, Problem::with_detail)
        }
    };
    Failure { problem, code: exit_code::REFUSED }
}

fn read(path: &Path, is_default: bool) -> Result<String, Error> {
    let failed = |source: io::Error| match source.kind() == io::ErrorKind::NotFound {
        true if is_default => Error::NoDefault,
        true => Error::NotFound(path.into()),
        false => Error::Read { path: path.into(), source },
    };
    // Without waiting: opening a pipe for reading would, for its other end.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?);
    let status = file.metadata().map_err(failed)?;
    if status.is_dir() {
        return Err(Error::Directory(path.into()));
    }
    if !status.is_file() {
        return Err(Error::NotAFile(path.into()));
    }
    let too_large = |bytes| Error::TooLarge { path: path.into(), bytes };
    if status.len() > LONGEST {
        return Err(too_large(status.len()));
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    let read = file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if read as u64 > LONGEST {
        return Err(too_large(read as u64));
    }
    String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Error {
    let (bytes, end) = (error.as_bytes(), error.utf8_error().valid_up_to());
    let before = String::from_utf8_lossy(&bytes[..end]);
    let (line, start) = (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |at| at + 1));
    let column = before[start..].chars().count() + 1;
    Error::NotUtf8 { path: path.into(), line, column, byte: bytes.get(end).copied().unwrap_or_default() }
}

/// Its absolute path as it was given, links and all: where a link leads to another release by then, the manifest is the same
/// one, with what it says there. Two names of one file are one to the daemon.
fn source_of(path: &Path) -> Result<String, Error> {
    let failed = |source: io::Error| Error::Read { path: path.into(), source };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    let name = path.file_name().ok_or_else(|| Error::Directory(path.into()))?;
    let source = here::absolute(folder).map_err(failed)?.join(name);
    source.into_os_string().into_string().map_err(|_| Error::FolderNotUtf8(path.into()))
}

/// Where the path leads to; of what is not there, where it would be.
fn resolve(path: &Path) -> Option<PathBuf> {
    let (there, real) = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)))?;
    let rest = path.strip_prefix(there).ok()?;
    // To join nothing would add a slash.
    Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
}

/// What a service names and is not there: the setting, and a sentence.
fn missing(service: &Service) -> impl Iterator<Item = (Setting, String)> {
    let job = &service.job;
    let module = [(Setting::Module, job.module.as_path())].into_iter();
    let check = service.check.iter().map(|check| (Setting::HealthCommand, check.job.module.as_path()));
    let children = job.grants.modules.iter().map(|(_, file)| (Setting::Child, file.as_path()));
    let modules =
        module.chain(check).chain(children).filter_map(|(setting, path)| Some((setting, path, not_a_module(path)?)));
    let directories = job.grants.directories.iter();
    let directories =
        directories.filter_map(|directory| Some((Setting::Dir, directory.host.as_path(), not_granted(directory)?)));
    modules.chain(directories).map(|(setting, path, reason)| (setting, format!("{} {path:?}: {reason}", setting.key())))
}

/// Why there is no module at this path.
pub(super) fn not_a_module(path: &Path) -> Option<String> {
    match path.metadata() {
        Ok(status) if status.is_file() => None,
        Ok(status) if status.is_dir() => Some("a directory; a module is a file (.wasm or .wat)".into()),
        Ok(_) => Some("no regular file (a pipe, socket or device); copy the module into a file first".into()),
        Err(error) => Some(not_there(&error, "there is no such module")),
    }
}

/// Why this directory can't be granted.
fn not_granted(directory: &Directory) -> Option<String> {
    not_a_directory(&directory.host).or_else(|| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Whoever grants it opens it again, and says so where that fails.
        let opened = rustix::fs::open(&directory.host, flags, Mode::empty()).ok()?;
        let own = OwnDirectories::find(&privilege::who(), |name| std::env::var_os(name));
        own.check([(directory, opened.as_fd())]).err().map(|error| error.reason())
    })
}

fn not_a_directory(path: &Path) -> Option<String> {
    match path.metadata() {
        Ok(status) if status.is_dir() => None,
        Ok(_) => Some("no directory".into()),
        Err(error) => Some(not_there(&error, "there is no such directory")),
    }
}

fn not_there(error: &io::Error, nothing: &str) -> String {
    if error.kind() == io::ErrorKind::NotFound { nothing.into() } else { error.to_string() }
}

#[cfg(test)]
mod tests;
