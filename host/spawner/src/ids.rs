//! Host ids for zygotes and workers. Each id in use is a locked byte of one file of the machine, at the id's own place,
//! so that no two commands ever share one, whatever their runtime directories are and whatever range each was given. The
//! kernel gives a lock back whatever gets killed.

use super::range::Range;
use sandhog_protocol::limits;
use sandhog_sys::lock;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};

/// Where one spawner's ids come from.
pub struct Ids {
    /// Open for writing.
    file: OwnedFd,
    range: Range,
    /// Which file that is, in names elsewhere: a container that shares the cgroups and not the file knows nothing of theirs.
    file_tag: u64,
    /// What this process holds itself, the first of each and how many: its own locks are never in its own way.
    held: RefCell<BTreeMap<u32, u32>>,
    /// What it holds of others that were killed.
    claimed: RefCell<HashMap<u32, Weak<Lease>>>,
    /// In names elsewhere, so that people can tell whose they are.
    tag: Tag,
    /// `--user UID:GID`: what all workers get instead of an id of the range.
    fixed: Option<(u32, u32)>,
}

/// Whose names are whose: of 16 hexadecimal digits, the same for all commands with one runtime directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag(pub u64);

impl Tag {
    /// FNV-1a.
    pub fn of(bytes: &[u8]) -> Self {
        Self(
            bytes
                .iter()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }
}

/// The ids of one zygote and its workers, for as long as this lives: the zygote's, and behind it one for each slot.
pub struct Lease {
    ids: Rc<Ids>,
    /// The zygote's, and the number that names its cgroup.
    pub zygote: u32,
    /// How many are locked, from the zygote's on.
    count: Cell<u32>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("lock an id in the machine's file of ids")]
    Lock(#[source] io::Error),
    #[error("all ids from {} to {} are in use", .0.first, .0.last())]
    Exhausted(Range),
}

impl Ids {
    /// # Errors
    /// As fstat(2).
    pub fn new(file: OwnedFd, range: Range, tag: Tag, fixed: Option<(u32, u32)>) -> io::Result<Self> {
        let status = rustix::fs::fstat(&file)?;
        let file_tag = Tag::of(&[status.st_dev.to_le_bytes(), status.st_ino.to_le_bytes()].concat()).0;
        Ok(Self { file, range, file_tag, held: RefCell::default(), claimed: RefCell::default(), tag, fixed })
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Takes free ids in a row: the zygote's, and one for its workers or for each of its slots, which fixed ones replace.
    ///
    /// # Errors
    /// [`Error::Exhausted`]: the range has no such row left.
    pub fn lease(self: &Rc<Self>, slots: Option<u32>) -> Result<Rc<Lease>, Error> {
        let count = slots.unwrap_or(1).saturating_add(1).next_multiple_of(2);
        // Rows of many begin in the middle: whoever sweeps after a command that was killed finds its ids free, and not in the row
        // of somebody who came meanwhile.
        let middle = self.range.count / 4 * 2;
        let zygote = match slots {
            Some(_) => self.take_row(count, middle).or_else(|_| self.take_row(count, 0))?,
            None => self.take_row(count, 0)?,
        };
        Ok(Rc::new(self.hold(zygote, count)))
    }

    /// The ids in a name of [`Lease::name`] or [`Lease::slot_name`] if nobody holds them, so that what bears the name is a
    /// leftover and stays one while it is swept, whoever left it; `None` for other names: they are somebody else's.
    pub fn claim_stale(self: &Rc<Self>, name: &str) -> Option<Rc<Lease>> {
        let (zygote, slot) = self.ids_of(name)?;
        let count = slot.unwrap_or(0).checked_add(2)?;
        let known = self.claimed.borrow().get(&zygote).and_then(Weak::upgrade);
        if let Some(lease) = known {
            return lease.grow(count).then_some(lease);
        }
        let free = !self.holds(zygote, count) && lock::try_lock(self.file.as_fd(), zygote.into(), count.into()).ok()?;
        let lease = Rc::new(free.then(|| self.hold(zygote, count))?);
        self.claimed.borrow_mut().insert(zygote, Rc::downgrade(&lease));
        Some(lease)
    }

    /// The first row of so many free ids, from this place in the range on, jumping over what others hold. Always from the same
    /// place, so that ids stay low and names of cgroups repeat; a lock that is lost in a race is simply somebody else's.
    fn take_row(self: &Rc<Self>, length: u32, from: u32) -> Result<u32, Error> {
        let Range { first, count } = self.range;
        let mut offset: u32 = from;
        while offset.checked_add(length).is_some_and(|end| end <= count) {
            // The last id of a range is below the largest number.
            let zygote = first + offset;
            let past = match self.end_of_held(zygote, length) {
                Some(end) => Some(end.into()),
                None => lock::end_of_conflict(self.file.as_fd(), zygote.into(), length.into()).map_err(Error::Lock)?,
            };
            match past {
                Some(end) => {
                    let past = end.saturating_sub(first.into()).next_multiple_of(2);
                    offset = u32::try_from(past).unwrap_or(count).clamp(offset + 1, count);
                }
                None if lock::try_lock(self.file.as_fd(), zygote.into(), length.into()).map_err(Error::Lock)? => {
                    return Ok(zygote);
                }
                None => {}
            }
        }
        Err(Error::Exhausted(self.range))
    }

    /// Where the first row ends that this process holds and that lies across this one.
    fn end_of_held(&self, first: u32, count: u32) -> Option<u32> {
        let held = self.held.borrow();
        let before = held.range(..first).next_back();
        let inside = held.range(first..first.saturating_add(count)).next();
        let ends = before.into_iter().chain(inside).map(|(start, count)| start.saturating_add(*count));
        ends.into_iter().find(|end| *end > first)
    }

    fn holds(&self, first: u32, count: u32) -> bool {
        self.end_of_held(first, count).is_some()
    }

    /// The zygote's id, and the slot where there is one, in a name of those who lock this file; not the last id, which has no
    /// neighbour.
    fn ids_of(&self, name: &str) -> Option<(u32, Option<u32>)> {
        let rest = name.strip_prefix(&format!("{:016x}-", self.file_tag))?;
        let (tag, digits) = rest.split_once('-')?;
        let tag = Tag(u64::from_str_radix(tag, 16).ok()?);
        let (id, slot) = match digits.split_once('-') {
            Some((id, slot)) => (id, Some(slot.parse().ok().filter(|slot| *slot < limits::SLOTS)?)),
            None => (digits, None),
        };
        let id: u32 = id.parse().ok().filter(|id| *id != 0 && *id < u32::MAX - 1)?;
        let expected = match slot {
            Some(slot) => self.name_of_slot(tag, id, slot),
            None => self.name(tag, id),
        };
        (name == expected).then_some((id, slot))
    }

    fn name_of_slot(&self, tag: Tag, id: u32, slot: u32) -> String {
        format!("{}-{slot}", self.name(tag, id))
    }

    fn name(&self, tag: Tag, id: u32) -> String {
        format!("{:016x}-{:016x}-{id}", self.file_tag, tag.0)
    }

    fn hold(self: &Rc<Self>, zygote: u32, count: u32) -> Lease {
        self.held.borrow_mut().insert(zygote, count);
        Lease { ids: Rc::clone(self), zygote, count: Cell::new(count) }
    }
}

impl Lease {
    /// A name that no other zygote of this machine has.
    pub fn name(&self) -> String {
        self.ids.name(self.ids.tag, self.zygote)
    }

    /// The same for one of its slots.
    pub fn slot_name(&self, slot: u32) -> String {
        self.ids.name_of_slot(self.ids.tag, self.zygote, slot)
    }

    /// User and group of the worker in this slot; of the first one where the zygote has none.
    pub fn worker(&self, slot: u32) -> (u32, u32) {
        let own = self.zygote + 1 + slot;
        self.ids.fixed.unwrap_or((own, own))
    }

    /// Whether a name is that of somebody who had some of these ids before. It was killed: whoever lives has all of its own. To be
    /// asked before anything bears a name of this lease's.
    pub fn was_of_another(&self, name: &str) -> bool {
        self.ids.ids_of(name).is_some_and(|(zygote, slot)| {
            let (last, own_last) = (zygote.saturating_add(slot.unwrap_or(0) + 1), self.zygote + (self.count.get() - 1));
            zygote <= own_last && self.zygote <= last
        })
    }

    /// Whether workers have ids of the range.
    pub fn are_own(&self) -> bool {
        self.ids.fixed.is_none()
    }

    /// Ids for workers, of the range.
    pub fn workers(&self) -> u32 {
        self.count.get() - 1
    }

    /// Holds at least so many from now on; whether it does.
    fn grow(&self, count: u32) -> bool {
        let own = self.count.get();
        let Some(more) = count.checked_sub(own).filter(|more| *more > 0) else { return true };
        let Some(first) = self.zygote.checked_add(own) else { return false };
        let grows = !self.ids.holds(first, more)
            && lock::try_lock(self.ids.file.as_fd(), first.into(), more.into()).unwrap_or(false);
        if grows {
            self.count.set(count);
            self.ids.held.borrow_mut().insert(self.zygote, count);
        }
        grows
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ids.held.borrow_mut().remove(&self.zygote);
        // One that is claimed again at this moment has been put there since.
        self.ids.claimed.borrow_mut().retain(|_, lease| lease.strong_count() > 0);
        // It fails only for a range that could not have been locked; the kernel drops all locks with the file.
        let _ = lock::unlock(self.ids.file.as_fd(), self.zygote.into(), self.count.get().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range { first: 300_001, count: 9 };

    struct File(tempfile::TempPath);

    impl File {
        fn new() -> Self {
            Self(tempfile::NamedTempFile::new().unwrap().into_temp_path())
        }

        fn ids(&self, range: Range, tag: u64) -> Rc<Ids> {
            let mut options = std::fs::File::options();
            let file = options.read(true).write(true).create(true).truncate(false).open(&self.0).unwrap();
            Rc::new(Ids::new(file.into(), range, Tag(tag), None).unwrap())
        }
    }

    fn ids_of(leases: &[Rc<Lease>]) -> Vec<u32> {
        let mut taken: Vec<u32> = leases.iter().flat_map(|lease| [lease.zygote, lease.worker(0).0]).collect();
        taken.sort_unstable();
        taken
    }

    #[test]
    fn two_commands_and_two_zygotes_of_one_never_share_an_id() {
        let file = File::new();
        let (one, two) = (file.ids(RANGE, 1), file.ids(RANGE, 2));
        let leases =
            [one.lease(None).unwrap(), two.lease(None).unwrap(), one.lease(None).unwrap(), two.lease(None).unwrap()];
        assert_eq!(ids_of(&leases), (300_001..300_009).collect::<Vec<_>>());
        assert!(
            matches!(one.lease(None), Err(Error::Exhausted(RANGE)))
                && matches!(two.lease(None), Err(Error::Exhausted(RANGE)))
        );
        let name = leases[1].name();
        assert!(name.ends_with("-0000000000000002-300003"), "{name}");
        assert!(one.claim_stale(&name).is_none() && two.claim_stale(&name).is_none(), "held");
        drop(leases);
        assert!(one.claim_stale(&name).is_some(), "free again");
        assert_eq!(ids_of(&[two.lease(None).unwrap()]), [300_001, 300_002]);
    }

    #[test]
    fn commands_whose_ranges_overlap_never_share_an_id() {
        let file = File::new();
        // Of which the pairs of the one lie across those of the other.
        let (one, other) = (file.ids(RANGE, 1), file.ids(Range { first: 300_000, count: 8 }, 1));
        let mut leases = vec![one.lease(None).unwrap(), other.lease(None).unwrap(), one.lease(None).unwrap()];
        while let Ok(lease) = other.lease(None) {
            leases.push(lease);
        }
        let taken = ids_of(&leases);
        assert!(taken.windows(2).all(|pair| pair[0] != pair[1]), "{taken:?}");
        assert!(taken.len() >= 6, "{taken:?}");
    }

    #[test]
    fn ids_end_with_their_range_be_it_at_the_end_of_all_numbers() {
        let file = File::new();
        let ids = file.ids(Range { first: u32::MAX - 3, count: 3 }, 1);
        let lease = ids.lease(None).unwrap();
        assert_eq!((lease.zygote, lease.worker(0).0), (u32::MAX - 3, u32::MAX - 2));
        assert!(ids.lease(None).is_err());
    }

    #[test]
    fn a_name_of_somebody_elses_is_nobodys_id() {
        let file = File::new();
        let ids = file.ids(RANGE, 1);
        let file_tag = format!("{:016x}", ids.file_tag);
        for end in [
            "",
            "-",
            "-300001",
            "-1-300001",
            "-0000000000000001-",
            "-0000000000000001-0",
            "-0000000000000001-0300001",
            "-0000000000000001-+300001",
            "-0000000000000001-4294967295",
            "-0000000000000001-4294967294",
            "-0000000000000001-99999999999",
            "-00000000000000001-300001",
            "-000000000000000A-300001",
            "-+000000000000001-300001",
        ] {
            assert!(ids.claim_stale(&format!("{file_tag}{end}")).is_none(), "{end:?}");
        }
        for name in ["", "test-12-300001", "0000000000000001-300001", "0000000000000001-0000000000000001-300001"] {
            assert!(ids.claim_stale(name).is_none(), "{name:?}");
        }
        // Of whichever range and runtime directory.
        assert!(ids.claim_stale(&format!("{file_tag}-00000000000000ff-7")).is_some());
        // Of the same directory in another machine's file.
        let other = File::new();
        let name = other.ids(RANGE, 1).lease(None).unwrap().name();
        assert!(ids.claim_stale(&name).is_none() && other.ids(RANGE, 2).claim_stale(&name).is_some());
    }

    #[test]
    fn a_name_lies_across_a_lease_where_it_has_one_of_its_ids() {
        let file = File::new();
        let ids = file.ids(RANGE, 1);
        let leases = [ids.lease(None).unwrap(), ids.lease(None).unwrap()];
        let lies_across = |end: &str| {
            let name = format!("{:016x}-{end}", ids.file_tag);
            [0, 1].map(|at| leases[at].was_of_another(&name))
        };
        // Of whichever runtime directory: the lease has 300001 and 300002, the other one 300003 and 300004.
        for tag in ["0000000000000001", "00000000000000ff"] {
            assert_eq!(lies_across(&format!("{tag}-300000")), [true, false]);
            assert_eq!(lies_across(&format!("{tag}-300001")), [true, false]);
            assert_eq!(lies_across(&format!("{tag}-300002")), [true, true]);
            assert_eq!(lies_across(&format!("{tag}-300004")), [false, true]);
            assert_eq!(lies_across(&format!("{tag}-300005")), [false, false]);
            assert_eq!(lies_across(&format!("{tag}-299990-12")), [true, true]);
            assert_eq!(lies_across(&format!("{tag}-299990-9")), [false, false]);
        }
        assert!(!leases[0].was_of_another("0000000000000001-0000000000000001-300001"), "of another file");
    }

    #[test]
    fn fixed_ids_take_the_place_of_the_workers_own() {
        let file = File::new();
        let ids = file.ids(RANGE, 1);
        let fixed = Rc::new(Ids::new(ids.as_fd().try_clone_to_owned().unwrap(), RANGE, Tag(1), Some((7, 8))).unwrap());
        let lease = fixed.lease(None).unwrap();
        assert_eq!((lease.zygote, lease.worker(0), lease.worker(5)), (300_001, (7, 8), (7, 8)));
    }
}
