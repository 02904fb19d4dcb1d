//! Host ids for zygotes and workers. Each id in use is a locked byte of one file in the runtime directory, so that
//! two commands at once never share one, and the kernel gives it back whatever gets killed.

use crate::sys::lock;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// The range that ids come from: above what distributions give to accounts and below most people's subordinate
/// ranges (subuid(5) starts at 100000 with 65536 for each person).
pub(crate) const FIRST: u32 = 200_000;
/// How many ids there are from [`FIRST`] on.
pub(crate) const COUNT: u32 = 65_536;

/// Where one spawner's ids come from.
pub(crate) struct Ids {
    /// `ids` in the runtime directory, open for writing.
    file: OwnedFd,
    /// What this process holds itself: its own locks are never in its own way.
    held: RefCell<BTreeSet<u32>>,
    /// Which file that is, for names elsewhere: ids are unique within one runtime directory only.
    tag: String,
    /// `--user UID:GID`: what all workers get instead of an id of the range.
    fixed: Option<(u32, u32)>,
}

/// The ids of one zygote and its workers, for as long as this lives.
pub(crate) struct Lease {
    ids: Rc<Ids>,
    /// The zygote's, and the number that names its cgroup.
    pub zygote: u32,
    pub worker_uid: u32,
    pub worker_gid: u32,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("lock an id in the runtime directory")]
    Lock(#[source] io::Error),
    #[error("all {COUNT} ids from {FIRST} on are in use")]
    Exhausted,
}

impl Ids {
    /// # Errors
    /// As fstat(2).
    pub(crate) fn new(file: OwnedFd, fixed: Option<(u32, u32)>) -> io::Result<Self> {
        let status = rustix::fs::fstat(&file)?;
        let tag = format!("{:x}-{:x}-", status.st_dev, status.st_ino);
        Ok(Self { file, held: RefCell::default(), tag, fixed })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Takes two free ids: the zygote's and its workers', which fixed ones replace.
    pub(crate) fn lease(self: &Rc<Self>) -> Result<Lease, Error> {
        let zygote = self.take_pair()?;
        let (worker_uid, worker_gid) = self.fixed.unwrap_or((zygote + 1, zygote + 1));
        Ok(Lease { ids: Rc::clone(self), zygote, worker_uid, worker_gid })
    }

    /// The zygote id in a name of [`Lease::name`] if nobody holds it, so that what bears the name is a leftover and
    /// stays one while it is swept; `None` for other names: they are somebody else's.
    pub(crate) fn claim_stale(self: &Rc<Self>, name: &str) -> Option<Lease> {
        let zygote: u32 = name.strip_prefix(&self.tag)?.parse().ok()?;
        let offset = zygote.checked_sub(FIRST).filter(|offset| *offset < COUNT)?;
        let free = !self.held.borrow().contains(&zygote) && lock::try_lock(self.file.as_fd(), offset.into(), 2).ok()?;
        free.then(|| self.hold(zygote))
    }

    /// The first free pair of neighbours, jumping over what others hold. Always from the start, so that ids stay low
    /// and names of cgroups repeat; a lock that is lost in a race is simply somebody else's.
    fn take_pair(self: &Rc<Self>) -> Result<u32, Error> {
        let mut offset = 0;
        while offset + 2 <= COUNT {
            let zygote = FIRST + offset;
            if self.held.borrow().contains(&zygote) {
                offset += 2;
                continue;
            }
            match lock::end_of_conflict(self.file.as_fd(), offset.into(), 2).map_err(Error::Lock)? {
                Some(end) => offset = u32::try_from(end.next_multiple_of(2)).unwrap_or(COUNT),
                None if lock::try_lock(self.file.as_fd(), offset.into(), 2).map_err(Error::Lock)? => {
                    self.held.borrow_mut().insert(zygote);
                    return Ok(zygote);
                }
                None => {}
            }
        }
        Err(Error::Exhausted)
    }

    fn hold(self: &Rc<Self>, zygote: u32) -> Lease {
        self.held.borrow_mut().insert(zygote);
        Lease { ids: Rc::clone(self), zygote, worker_uid: zygote + 1, worker_gid: zygote + 1 }
    }
}

impl Lease {
    /// A name that no other zygote of this machine has, whatever runtime directory its command uses.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.ids.tag, self.zygote)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ids.held.borrow_mut().remove(&self.zygote);
        // It fails only for a range that could not have been locked; the kernel drops all locks with the file.
        let _ = lock::unlock(self.ids.file.as_fd(), u64::from(self.zygote - FIRST), 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(path: &std::path::Path) -> Rc<Ids> {
        let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        Rc::new(Ids::new(file.into(), None).unwrap())
    }

    #[test]
    fn two_commands_and_two_zygotes_of_one_never_share_an_id() {
        let path = std::env::temp_dir().join(format!("sandhog-ids-{}", std::process::id()));
        let (one, two) = (ids(&path), ids(&path));
        let leases = [one.lease().unwrap(), two.lease().unwrap(), one.lease().unwrap(), two.lease().unwrap()];
        let mut taken: Vec<u32> = leases.iter().flat_map(|lease| [lease.zygote, lease.worker_uid]).collect();
        taken.sort_unstable();
        assert_eq!(taken, (FIRST..FIRST + 8).collect::<Vec<_>>());
        let name = leases[1].name();
        assert!(one.claim_stale(&name).is_none(), "held by the other command");
        drop(leases);
        assert!(one.claim_stale(&name).is_some(), "free again");
        assert!(one.claim_stale("200002").is_none(), "of another runtime directory");
        assert!(one.claim_stale(&format!("{}0", one.tag)).is_none(), "outside the range");
        std::fs::remove_file(path).unwrap();
    }
}
