//! Cgroups that are to go: those of zygotes that have ended, and those that commands left behind when they were killed.
//!
//! An id stays taken until its cgroup is gone, so that nobody meets a cgroup of the name that they are given.
//! Must not: wait, but in [`Leftovers::finish`], when nobody is served any more.

use super::ids::{Ids, Lease};
use sandhog_sandbox::cgroup::{self, Cgroup, Hierarchies};
use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

/// Pauses between two looks: the first, doubled up to the longest. The kernel needs well under a millisecond for processes
/// that were killed; one that stays for longer is somebody's whom version 1 does not let us see.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a spawner that ends waits for its own cgroups to be removable. Their processes have been reaped by then; one
/// second is for a machine that is short of everything.
const PATIENCE: Duration = Duration::from_secs(1);

/// Cgroups that are to go and have not gone yet.
#[derive(Default)]
pub(super) struct Leftovers(Vec<Leftover>);

struct Leftover {
    /// Above the lease, and so dropped before it.
    cgroup: Cgroup,
    _lease: Rc<Lease>,
    /// It was made here.
    own: bool,
    again: Instant,
    pause: Duration,
}

impl Leftovers {
    /// Ends the cgroup of a zygote that has ended, now or later.
    pub(super) fn end(&mut self, cgroup: Cgroup, lease: Rc<Lease>) {
        self.end_if_left(cgroup, lease, true);
    }

    /// The same for a cgroup that somebody else has left behind, under an id that is ours now.
    pub(super) fn end_found(&mut self, cgroup: Cgroup, lease: Rc<Lease>) {
        self.end_if_left(cgroup, lease, false);
    }

    /// Ends cgroups that somebody else has left behind under ids that are ours now; whether all are gone.
    pub(super) fn end_under(&mut self, found: Vec<Cgroup>, lease: &Rc<Lease>) -> bool {
        let before = self.0.len();
        found.into_iter().for_each(|cgroup| self.end_found(cgroup, Rc::clone(lease)));
        self.0.len() == before
    }

    fn end_if_left(&mut self, mut cgroup: Cgroup, lease: Rc<Lease>, own: bool) {
        if cgroup.end().is_err() {
            let again = Instant::now() + FIRST_PAUSE;
            self.0.push(Leftover { cgroup, _lease: lease, own, again, pause: FIRST_PAUSE });
        }
    }

    /// When something may have changed that nobody tells. `None`: nothing is left.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.0.iter().map(|left| left.again).min()
    }

    /// A process has been reaped: its cgroup may be empty now.
    pub(super) fn look_soon(&mut self) {
        let now = Instant::now();
        self.0.iter_mut().for_each(|left| left.again = now);
    }

    /// Looks at those whose time has come.
    pub(super) fn look(&mut self, now: Instant) {
        self.0.retain_mut(|left| {
            if left.again > now {
                return true;
            }
            left.pause = LONGEST_PAUSE.min(left.pause * 2);
            left.again = now + left.pause;
            left.cgroup.end().is_err()
        });
    }

    /// Waits, at most a second, until those that were made here are gone.
    pub(super) fn finish(mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.0.retain_mut(|left| left.cgroup.end().is_err());
            let next = self.0.iter_mut().filter(|left| left.own).min_by_key(|left| left.pause);
            match next {
                Some(left) if Instant::now() < deadline => {
                    thread::sleep(left.pause);
                    left.pause *= 2;
                }
                // The sweep at the next start removes what stays.
                Some(_) | None => return,
            }
        }
    }
}

/// The cgroups of commands that were killed: those whose id nobody holds. As they are found their ids are held, so that
/// nobody takes one for a new cgroup meanwhile.
pub(super) fn find(hierarchies: &Hierarchies, ids: &Rc<Ids>) -> Vec<(Cgroup, Rc<Lease>)> {
    let leases = RefCell::new(Vec::new());
    let is_stale = |name: &str| ids.claim_stale(name).map(|lease| leases.borrow_mut().push(lease)).is_some();
    // Whoever can't list them now leaves them to the next start.
    let found = cgroup::stale(hierarchies, is_stale).unwrap_or_default();
    found.into_iter().zip(leases.into_inner()).collect()
}

/// The cgroups of commands that were killed, under ids that are this lease's now. A sweep takes them for those of whoever has the
/// ids, and the lowest ones are always taken first: nobody but their new owner can tell. Before it has a cgroup itself.
pub(super) fn under(hierarchies: &Hierarchies, lease: &Lease) -> Vec<Cgroup> {
    // As for `find`.
    cgroup::stale(hierarchies, |name| lease.was_of_another(name)).unwrap_or_default()
}

/// Removes what a spawner has left behind that was killed: its pid namespace has ended with it, so nobody is in its cgroups.
/// For whoever notices, as far as their rights go.
pub fn sweep(ids: &Rc<Ids>) {
    let Ok(hierarchies) = cgroup::discover() else { return };
    let mut left = Leftovers::default();
    find(&hierarchies, ids).into_iter().for_each(|(cgroup, lease)| left.end(cgroup, lease));
    // The kernel may still be at the ends of those who were in them.
    left.finish();
}
