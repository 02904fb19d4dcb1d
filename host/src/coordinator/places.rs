//! Where Sandhog keeps things: the cache of compiled modules, and the runtime directory.

use super::privilege::Person;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no home directory to keep the cache in: set SANDHOG_CACHE_DIR")]
    NoHome,
    #[error("failed to make the directory {path:?}: {cause}; set {variable} to one that you can write")]
    Make { path: PathBuf, variable: &'static str, cause: io::Error },
    #[error(
        "others may write the directory {path:?}: make it yours alone (chown, chmod go-w), or set {variable} to another one"
    )]
    Shared { path: PathBuf, variable: &'static str },
}

/// Where the cache is: `SANDHOG_CACHE_DIR`, else `$XDG_CACHE_HOME/sandhog`, else `~/.cache/sandhog`. Behind sudo the
/// environment is not the person's, so their home is asked of the user database.
pub(crate) fn cache(person: &Person, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
    if let Some(path) = variable("SANDHOG_CACHE_DIR").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    if person.behind_sudo {
        return Ok(person.home.as_ref().ok_or(Error::NoHome)?.join(".cache/sandhog"));
    }
    // The XDG base directory specification: a relative path is invalid and to be ignored.
    let xdg = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || variable("HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(|| person.home.clone());
    let base = xdg.or_else(|| home().map(|home| home.join(".cache"))).ok_or(Error::NoHome)?;
    Ok(base.join("sandhog"))
}

/// Makes a directory that only its owner may enter, with its parents, and checks that nobody else may write there.
pub(crate) fn make_private(path: &Path, variable: &'static str) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    let fail = |cause| Error::Make { path: path.into(), variable, cause };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail)?;
    check_private(path, variable)
}

fn check_private(path: &Path, variable: &'static str) -> Result<(), Error> {
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

/// The file whose bytes are the ids in use, in root's runtime directory: `SANDHOG_RUNTIME_DIR`, else `/run/sandhog`.
pub(crate) fn open_ids(variable: impl Fn(&str) -> Option<OsString>) -> Result<OwnedFd, Error> {
    const VARIABLE: &str = "SANDHOG_RUNTIME_DIR";
    let given = variable(VARIABLE).filter(|path| !path.is_empty());
    let path = given.map_or_else(|| PathBuf::from("/run/sandhog"), PathBuf::from);
    make_private(&path, VARIABLE)?;
    let path = path.join("ids");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| Error::Make {
        path,
        variable: VARIABLE,
        cause: errno.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(behind_sudo: bool) -> Person {
        Person { uid: 1000, gid: 1000, home: Some("/home/p".into()), behind_sudo, account: None }
    }

    fn of(variables: &[(&str, &str)], behind_sudo: bool) -> PathBuf {
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        cache(&person(behind_sudo), lookup).unwrap()
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
    }
}
