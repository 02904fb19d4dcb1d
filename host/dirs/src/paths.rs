//! Where Sandhog keeps things: the cache of compiled modules, a daemon's state, and the runtime directory with its socket.

use super::person::Person;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no home directory to keep the {what} in: set {variable}")]
    NoHome { what: &'static str, variable: &'static str },
    #[error("{variable}={path:?} is no absolute path: a daemon, and whoever looks for it, are in other directories")]
    Relative { path: PathBuf, variable: &'static str },
    #[error("failed to make the directory {path:?} (set {variable} to one that you can write)")]
    Make {
        path: PathBuf,
        variable: &'static str,
        #[source]
        cause: io::Error,
    },
    #[error(
        "others may write the directory {path:?}: make it yours alone (chown, chmod go-w), or set {variable} to another one"
    )]
    Shared { path: PathBuf, variable: &'static str },
    #[error(
        "the path of the control socket {path:?} is {length} bytes long, and the kernel takes {SOCKET_PATH_BYTES}: set \
         SANDHOG_RUNTIME_DIR to a shorter one"
    )]
    LongSocket { path: PathBuf, length: usize },
    #[error("failed to open {path:?}, where root's commands lock the ids of their workers")]
    Ids {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// unix(7): `sun_path` has 108 bytes, and the last one ends it.
const SOCKET_PATH_BYTES: usize = 107;

/// A directory of the person's own, as the XDG base directory specification has them.
struct Base {
    what: &'static str,
    /// Ours; has the last word.
    variable: &'static str,
    xdg: &'static str,
    /// Below the home directory, where the specification's variable says nothing.
    below_home: &'static str,
}

/// The variables that move Sandhog's own directories.
pub const CACHE_VARIABLE: &str = "SANDHOG_CACHE_DIR";
pub const STATE_VARIABLE: &str = "SANDHOG_STATE_DIR";
pub const RUNTIME_VARIABLE: &str = "SANDHOG_RUNTIME_DIR";

const CACHE: Base = Base { what: "cache", variable: CACHE_VARIABLE, xdg: "XDG_CACHE_HOME", below_home: ".cache" };
const STATE: Base = Base { what: "state", variable: STATE_VARIABLE, xdg: "XDG_STATE_HOME", below_home: ".local/state" };

/// Where the cache is: `SANDHOG_CACHE_DIR`, else `$XDG_CACHE_HOME/sandhog`, else `~/.cache/sandhog`.
pub fn cache(person: &Person, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
    given(CACHE.variable, &variable)?.map_or_else(|| CACHE.of(person, &variable), Ok)
}

/// Where a daemon keeps what must survive it: `SANDHOG_STATE_DIR`, else `/var/lib/sandhog` for root, else
/// `$XDG_STATE_HOME/sandhog`, else `~/.local/state/sandhog`.
pub fn state(person: &Person, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
    match given(STATE.variable, &variable)? {
        Some(path) => Ok(path),
        None if person.uid == 0 => Ok("/var/lib/sandhog".into()),
        None => STATE.of(person, &variable),
    }
}

/// Where a daemon's socket and locks are: `SANDHOG_RUNTIME_DIR`, else `/run/sandhog` for root, else
/// `$XDG_RUNTIME_DIR/sandhog`, else `/run/user/UID/sandhog` where there is a `/run/user/UID`, else `run` in the state
/// directory.
pub fn runtime(person: &Person, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
    runtime_of(person, &variable, Path::is_dir)
}

/// Where the control socket is, for the daemon as for whoever looks for it.
pub fn control_socket(person: &Person, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
    let path = runtime(person, variable)?.join("control.sock");
    let length = path.as_os_str().len();
    if length > SOCKET_PATH_BYTES { Err(Error::LongSocket { path, length }) } else { Ok(path) }
}

fn runtime_of(
    person: &Person,
    variable: &impl Fn(&str) -> Option<OsString>,
    exists: impl Fn(&Path) -> bool,
) -> Result<PathBuf, Error> {
    if let Some(path) = given(RUNTIME_VARIABLE, variable)? {
        return Ok(path);
    }
    if person.uid == 0 {
        return Ok("/run/sandhog".into());
    }
    let xdg = || absolute("XDG_RUNTIME_DIR", variable).filter(|_| !person.behind_sudo);
    // What XDG_RUNTIME_DIR is wherever there is a login manager; a cron job and sudo don't have the variable.
    let login = || Some(PathBuf::from(format!("/run/user/{}", person.uid))).filter(|path| exists(path));
    match xdg().or_else(login) {
        Some(base) => Ok(base.join("sandhog")),
        None => Ok(state(person, variable)?.join("run")),
    }
}

impl Base {
    /// Behind sudo the environment is not the person's, so their home is asked of the user database.
    fn of(&self, person: &Person, variable: &impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
        let own = |name| absolute(name, variable).filter(|_| !person.behind_sudo);
        let home = || own("HOME").or_else(|| person.home.clone()).map(|home| home.join(self.below_home));
        let base = own(self.xdg).or_else(home);
        Ok(base.ok_or(Error::NoHome { what: self.what, variable: self.variable })?.join("sandhog"))
    }
}

/// Whether the operator has named a place by this variable.
pub fn is_given(name: &str, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable(name).is_some_and(|path| !path.is_empty())
}

/// Looks at what the operator has named, whether this command needs it or not.
///
/// # Errors
/// [`Error::Relative`].
pub fn check_given(variable: impl Fn(&str) -> Option<OsString>) -> Result<(), Error> {
    [CACHE_VARIABLE, STATE_VARIABLE, RUNTIME_VARIABLE].into_iter().try_for_each(|name| given(name, &variable).map(drop))
}

fn given(name: &'static str, variable: &impl Fn(&str) -> Option<OsString>) -> Result<Option<PathBuf>, Error> {
    match variable(name).filter(|path| !path.is_empty()).map(PathBuf::from) {
        Some(path) if !path.is_absolute() => Err(Error::Relative { path, variable: name }),
        given => Ok(given),
    }
}

/// The XDG base directory specification: a relative path is invalid and to be ignored.
fn absolute(name: &str, variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Makes a directory that only its owner may enter, with its parents, and checks that nobody else may write there.
pub fn make_private(path: &Path, variable: &'static str) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    let fail = |cause| Error::Make { path: path.into(), variable, cause };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail)?;
    check_private(path, variable)
}

/// Checks that a directory is there, is this process's own, and that nobody else may write there.
pub(crate) fn check_private(path: &Path, variable: &'static str) -> Result<(), Error> {
    let status = std::fs::metadata(path).map_err(|cause| Error::Make { path: path.into(), variable, cause })?;
    let me = rustix::process::geteuid().as_raw();
    if !status.is_dir() {
        return Err(Error::Make { path: path.into(), variable, cause: io::ErrorKind::NotADirectory.into() });
    }
    if status.uid() != me || status.mode() & 0o022 != 0 {
        return Err(Error::Shared { path: path.into(), variable });
    }
    Ok(())
}

/// Where root's commands lock the ids that they use: one place for the machine, whatever their runtime directories are. The
/// second one is for a machine whose first one can't be written.
const IDS: [&str; 2] = ["/run/sandhog", "/var/lib/sandhog"];

/// The file whose bytes are the ids in use.
///
/// # Errors
/// There is no place for it, or others may write there.
pub fn open_ids() -> Result<OwnedFd, Error> {
    open_ids_in(&IDS.map(Path::new))
}

fn open_ids_in(parents: &[&Path]) -> Result<OwnedFd, Error> {
    let mut failed = Error::Ids { path: "ids".into(), cause: io::ErrorKind::NotFound.into() };
    for parent in parents {
        let path = parent.join("ids");
        match make_private(parent, RUNTIME_VARIABLE) {
            Ok(()) => {}
            Err(Error::Make { cause, .. }) => {
                failed = Error::Ids { path, cause };
                continue;
            }
            // Not passed over: whoever did could be led to another place than others.
            Err(
                error @ (Error::Shared { .. }
                | Error::NoHome { .. }
                | Error::Relative { .. }
                | Error::LongSocket { .. }
                | Error::Ids { .. }),
            ) => {
                return Err(error);
            }
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => return Ok(file),
            Err(errno) => failed = Error::Ids { path, cause: errno.into() },
        }
    }
    Err(failed)
}

/// What commands with one runtime directory have in common: the path that the operator has given, else root's own.
pub fn common(variable: impl Fn(&str) -> Option<OsString>) -> OsString {
    variable(RUNTIME_VARIABLE).filter(|path| !path.is_empty()).unwrap_or_else(|| "/run/sandhog".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(behind_sudo: bool) -> Person {
        Person { uid: 1000, gid: 1000, home: Some("/home/p".into()), behind_sudo, account: None }
    }

    fn lookup(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into())
    }

    fn of(variables: &[(&str, &str)], behind_sudo: bool) -> PathBuf {
        cache(&person(behind_sudo), lookup(variables)).unwrap()
    }

    #[test]
    fn the_cache_is_where_the_base_directory_specification_says() {
        assert_eq!(of(&[("SANDHOG_CACHE_DIR", "/c"), ("HOME", "/h")], false), Path::new("/c"));
        assert_eq!(of(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], false), Path::new("/x/sandhog"));
        assert_eq!(of(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")], false), Path::new("/h/.cache/sandhog"));
        assert_eq!(of(&[], false), Path::new("/home/p/.cache/sandhog"));
    }

    #[test]
    fn behind_sudo_the_environment_is_not_believed() {
        assert_eq!(of(&[("XDG_CACHE_HOME", "/root/x"), ("HOME", "/root")], true), Path::new("/home/p/.cache/sandhog"));
        let root = [("XDG_STATE_HOME", "/root/x"), ("XDG_RUNTIME_DIR", "/run/user/0"), ("HOME", "/root")];
        let state = state(&person(true), lookup(&root)).unwrap();
        assert_eq!(state, Path::new("/home/p/.local/state/sandhog"));
        let runtime = runtime_of(&person(true), &lookup(&root), |path| path == "/run/user/1000").unwrap();
        assert_eq!(runtime, Path::new("/run/user/1000/sandhog"));
    }

    #[test]
    fn the_state_is_where_the_base_directory_specification_says() {
        let of = |variables: &[(&str, &str)]| state(&person(false), lookup(variables)).unwrap();
        assert_eq!(of(&[("SANDHOG_STATE_DIR", "/s"), ("XDG_STATE_HOME", "/x")]), Path::new("/s"));
        assert_eq!(of(&[("XDG_STATE_HOME", "/x"), ("HOME", "/h")]), Path::new("/x/sandhog"));
        assert_eq!(of(&[("HOME", "/h")]), Path::new("/h/.local/state/sandhog"));
        assert_eq!(of(&[("SANDHOG_STATE_DIR", "")]), Path::new("/home/p/.local/state/sandhog"));
    }

    #[test]
    fn roots_daemon_is_the_systems() {
        let root = Person { uid: 0, gid: 0, home: Some("/root".into()), behind_sudo: false, account: None };
        let variables = [("XDG_RUNTIME_DIR", "/run/user/0"), ("XDG_STATE_HOME", "/x"), ("HOME", "/root")];
        assert_eq!(state(&root, lookup(&variables)).unwrap(), Path::new("/var/lib/sandhog"));
        assert_eq!(control_socket(&root, lookup(&variables)).unwrap(), Path::new("/run/sandhog/control.sock"));
    }

    #[test]
    fn without_a_login_manager_the_socket_is_beside_the_state() {
        let of = |variables: &[(&str, &str)], exists: bool| {
            runtime_of(&person(false), &lookup(variables), |_| exists).unwrap()
        };
        assert_eq!(of(&[("SANDHOG_RUNTIME_DIR", "/r"), ("XDG_RUNTIME_DIR", "/x")], true), Path::new("/r"));
        assert_eq!(of(&[("XDG_RUNTIME_DIR", "/x")], true), Path::new("/x/sandhog"));
        assert_eq!(of(&[("XDG_RUNTIME_DIR", "relative")], true), Path::new("/run/user/1000/sandhog"));
        assert_eq!(of(&[], false), Path::new("/home/p/.local/state/sandhog/run"));
        assert_eq!(of(&[("SANDHOG_STATE_DIR", "/s")], false), Path::new("/s/run"));
    }

    #[test]
    fn a_person_without_a_home_is_told_what_to_set() {
        let nobody = Person { uid: 1000, gid: 1000, home: None, behind_sudo: false, account: None };
        let error = runtime_of(&nobody, &lookup(&[]), |_| false).unwrap_err();
        assert_eq!(error.to_string(), "no home directory to keep the state in: set SANDHOG_STATE_DIR");
    }

    #[test]
    fn ids_are_locked_in_one_place_and_in_the_next_only_where_that_can_t_be_made() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path();
        let (file, parent) = (base.join("file"), base.join("place"));
        std::fs::write(&file, "").unwrap();
        assert!(open_ids_in(&[&parent, &base.join("next")]).is_ok() && !base.join("next").exists());
        assert!(open_ids_in(&[&file.join("under"), &parent]).is_ok());
        let error = open_ids_in(&[&file]).unwrap_err().to_string();
        assert!(error.contains("lock the ids"), "{error}");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&parent, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(open_ids_in(&[&parent, &base.join("next")]), Err(Error::Shared { .. })));
    }

    #[test]
    fn what_commands_have_in_common_is_their_runtime_directory() {
        assert_eq!(common(lookup(&[("SANDHOG_RUNTIME_DIR", "a")])), "a");
        assert_eq!(common(lookup(&[])), common(lookup(&[("SANDHOG_RUNTIME_DIR", "/run/sandhog")])));
    }

    #[test]
    fn a_socket_path_that_the_kernel_does_not_take_is_refused_in_a_sentence() {
        let at = |length: usize| {
            let directory = format!("/{}", "d".repeat(length - "//control.sock".len()));
            control_socket(&person(false), lookup(&[("SANDHOG_RUNTIME_DIR", &directory)]))
        };
        assert_eq!(at(107).unwrap().as_os_str().len(), 107);
        let error = at(108).unwrap_err().to_string();
        assert!(
            error.ends_with("is 108 bytes long, and the kernel takes 107: set SANDHOG_RUNTIME_DIR to a shorter one")
        );
    }
}
