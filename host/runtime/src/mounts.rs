//! The mounts of this process, as the kernel lists them: proc_pid_mountinfo(5); and where in them something lies.

use sandhog_sys::mountinfo;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// As statx(2) tells it of whatever lies in it.
    pub id: u64,
    /// Of the file system, one for all that is in it: a file of btrfs or an overlay may tell another one of itself.
    pub device: (u32, u32),
    /// The directory of the file system that this mount shows.
    pub root: PathBuf,
    pub point: PathBuf,
}

impl Mount {
    /// Whether it shows something below this directory of its file system, which is seen by another mount. By text, since
    /// nothing else tells; what lies at or below a mount's own root is told by inodes, which some file systems (NFS, whose
    /// mounts are all of `/`) need.
    pub(crate) fn is_below(&self, other: &Self, directory: &Path) -> bool {
        self.device == other.device && self.root != directory && self.root.starts_with(directory)
    }

    /// The path in its file system of what lies at a path in it.
    ///
    /// # Errors
    /// It does not lie there.
    pub(crate) fn inside(&self, path: &Path) -> io::Result<PathBuf> {
        let below = path.strip_prefix(&self.point);
        let below =
            below.map_err(|_| io::Error::other(format!("{path:?} does not lie in the mount {:?}", self.point)))?;
        Ok(self.root.join(below))
    }
}

/// The path of what is open, as the kernel knows it now: proc_pid_fd(5).
pub(crate) fn path_of(file: BorrowedFd<'_>) -> io::Result<PathBuf> {
    let path = rustix::fs::readlink(format!("/proc/self/fd/{}", file.as_raw_fd()), Vec::new())?;
    Ok(OsString::from_vec(path.into_bytes()).into())
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Mounts(Vec<Mount>);

impl Mounts {
    /// Those of now.
    ///
    /// # Errors
    /// /proc is not there, or as [`Self::parse`].
    pub(crate) fn now() -> io::Result<Self> {
        Self::parse(&std::fs::read("/proc/self/mountinfo")?)
    }

    /// # Errors
    /// A line that is none: then nothing can be said of any.
    pub(crate) fn parse(mountinfo: &[u8]) -> io::Result<Self> {
        let lines = mountinfo.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mounts: Option<Vec<_>> = lines.map(parse_line).collect();
        mounts.map(Self).ok_or_else(|| io::Error::other("/proc/self/mountinfo has a line that is no mount"))
    }

    /// # Errors
    /// It is not listed: it belongs to another mount namespace, or was taken away meanwhile.
    pub(crate) fn get(&self, id: u64) -> io::Result<&Mount> {
        let mount = self.0.iter().find(|mount| mount.id == id);
        mount
            .ok_or_else(|| io::Error::other(format!("/proc/self/mountinfo does not list the mount {id} that it is in")))
    }

    /// Those that show something below this directory of the file system of `other`, which is seen by that mount.
    pub(crate) fn showing<'a>(&'a self, other: &'a Mount, directory: &'a Path) -> impl Iterator<Item = &'a Mount> {
        self.0.iter().filter(move |mount| mount.is_below(other, directory))
    }

    /// Those at a place below this path, however deep.
    pub(crate) fn below(&self, path: &Path) -> impl Iterator<Item = &Mount> {
        self.0.iter().filter(move |mount| mount.point != path && mount.point.starts_with(path))
    }
}

/// `36 35 98:0 /mnt1 /mnt/parent rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = number(fields.next()?)?;
    let device = fields.nth(1)?;
    let colon = device.iter().position(|byte| *byte == b':')?;
    let device = (number(&device[..colon])?, number(&device[colon + 1..])?);
    let (root, point) = (mountinfo::path(fields.next()?), mountinfo::path(fields.next()?));
    Some(Mount { id, device, root, point })
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_has_a_number_a_device_a_root_and_a_place() {
        let text = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            36 22 0:33 /@home/a\\040b /home\\134x rw - btrfs /dev/sdb rw\n\
            40 36 0:44 /\xff /home\\134x/\xff rw - tmpfs none rw\n";
        let mounts = Mounts::parse(text).unwrap();
        let home = Mount { id: 36, device: (0, 33), root: "/@home/a b".into(), point: "/home\\x".into() };
        assert_eq!(mounts.get(36).unwrap(), &home);
        let below: Vec<_> = mounts.below(Path::new("/home\\x")).map(|mount| mount.id).collect();
        assert_eq!(below, [40]);
        assert!(mounts.get(23).is_err());
    }

    #[test]
    fn a_line_that_is_none_is_an_error_and_never_passed_over() {
        for line in ["36 22", "x 22 8:1 / / rw", "36 22 8 / / rw", "36 22 8:1 /"] {
            assert!(Mounts::parse(format!("22 1 8:1 / / rw - ext4 x rw\n{line}\n").as_bytes()).is_err(), "{line}");
        }
    }
}
