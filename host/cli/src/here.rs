//! Where the command was called, as its caller names that place.
//!
//! Who deploys by a link stands in `/srv/current`, and means whatever that leads to by then. The kernel only knows the
//! directory that it leads to now.

use rustix::fs::stat;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The current directory: `$PWD` where that is its absolute path without `.` and `..`, as POSIX has it for `pwd -L`, else the
/// one without links.
///
/// # Errors
/// As getcwd(3).
pub(super) fn here() -> io::Result<PathBuf> {
    match logical(std::env::var_os("PWD"), is_here) {
        Some(path) => Ok(path),
        None => std::env::current_dir(),
    }
}

/// The path as an absolute one, with its links.
///
/// # Errors
/// As [`here`].
pub(super) fn absolute(path: &Path) -> io::Result<PathBuf> {
    // Without the dots in the middle, which are no part of anything.
    Ok(here()?.join(path).components().collect())
}

fn logical(pwd: Option<OsString>, is_here: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let path = PathBuf::from(pwd?);
    let is_plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let has_no_dot = !path.as_os_str().as_encoded_bytes().split(|byte| *byte == b'/').any(|name| name == b".");
    (path.is_absolute() && is_plain && has_no_dot && is_here(&path)).then_some(path)
}

fn is_here(path: &Path) -> bool {
    let same =
        |one: rustix::fs::Stat, other: rustix::fs::Stat| (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino);
    stat(path).is_ok_and(|there| stat(".").is_ok_and(|here| same(there, here)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_says_is_believed_where_it_is_a_path_of_this_place() {
        let of = |pwd: &str, is_here: bool| logical(Some(pwd.into()), |_| is_here);
        assert_eq!(of("/srv/current", true), Some("/srv/current".into()));
        assert_eq!(of("/srv/current", false), None, "somewhere else by now");
        for other in ["", "current", "/srv/../srv/current", "/srv/./current", "./x"] {
            assert_eq!(of(other, true), None, "{other}");
        }
        assert_eq!(logical(None, |_| true), None);
        assert!(is_here(".".as_ref()) && !is_here("/proc".as_ref()) && !is_here("/nowhere".as_ref()));
    }
}
