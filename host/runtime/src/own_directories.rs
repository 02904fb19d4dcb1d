//! Sandhog's own directories (cache, state, runtime directory), and the grants that would reach into them: through such a
//! grant a job could change the machine code of another one, read its environment, or take the daemon's socket away.
//!
//! A grant reaches a worker as the clone of one mount without what is mounted below it. So a read-only grant shows the
//! state only where both are in one file system. Writing reaches further: whoever may write any directory on the way to
//! one of them can put another one in its place, also where that is a mount point (a rename in another mount namespace
//! takes the mount along) or a symlink. So none of those may be granted with `:rw`.
//!
//! Must not: open what is granted (whoever grants it has done so), decide by the text of a path that somebody gave, or
//! change anything.

mod look;
mod relation;

use super::mounts::Mounts;
use relation::{Found, Kind, Own, Relation};
use sandhog_dirs::paths;
use sandhog_dirs::person::Person;
use sandhog_protocol::plan::Access;
use sandhog_spec::grants::Directory;
use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Overlap(#[from] Overlap),
    #[error("it can't be told whether the directory {path:?} of --dir holds Sandhog's own directories")]
    Unknown {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

impl Error {
    /// Why it is refused, for whoever names the directory beside it.
    pub fn reason(&self) -> String {
        match self {
            Self::Overlap(overlap) => overlap.reason(),
            Self::Unknown { cause, .. } => {
                format!("it can't be told whether it holds Sandhog's own directories: {cause}")
            }
        }
    }
}

/// A grant that reaches into own directories, and into which.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory {grant:?} can't be granted{access}: {reason}", access = self.access(), reason = self.reason())]
pub struct Overlap {
    grant: PathBuf,
    is_writable: bool,
    found: Vec<Found>,
}

impl Overlap {
    const fn access(&self) -> &'static str {
        if self.is_writable { " with :rw" } else { "" }
    }

    fn reason(&self) -> String {
        let names = |relation| {
            let found = self.found.iter().filter(|found| found.relation == relation);
            list(found.map(|found| format!("Sandhog's {} {:?}", found.kind.word(), found.path)))
        };
        let (holds, lies_in) = (names(Relation::Holds), names(Relation::LiesIn));
        let holds = (!holds.is_empty()).then(|| format!("holds {holds}"));
        let lies_in = (!lies_in.is_empty()).then(|| format!("lies in {lies_in}"));
        let reaches = list(holds.into_iter().chain(lies_in));
        let reason = match self.is_writable {
            true => "a job that may write there could change other jobs, or put itself in their place",
            false => "a job that may read there would know other jobs' environment",
        };
        let variables = list(self.found.iter().map(|found| found.kind.variable().to_owned()));
        format!("it {reaches}, and {reason}; grant another directory, or move Sandhog's with {variables}")
    }
}

/// `a, b and c`.
fn list(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<_> = words.collect();
    match (words.pop(), words.is_empty()) {
        (None, _) => String::new(),
        (Some(last), true) => last,
        (Some(last), false) => format!("{} and {last}", words.join(", ")),
    }
}

/// Where Sandhog keeps things of a person's; whatever lies there now, or will.
#[derive(Clone, Debug)]
pub struct OwnDirectories {
    paths: Vec<(Kind, PathBuf)>,
}

impl OwnDirectories {
    /// Those that a command and a daemon of this person use with these variables. Another environment has others: a
    /// daemon that was started with other variables checks what it is asked itself.
    pub fn find(person: &Person, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let found = [
            (Kind::Cache, paths::cache(person, &variable)),
            (Kind::State, paths::state(person, &variable)),
            (Kind::Runtime, paths::runtime(person, &variable)),
        ];
        // Without a home there is no such directory.
        Self { paths: found.into_iter().filter_map(|(kind, path)| Some((kind, path.ok()?))).collect() }
    }

    /// Whether these directories, opened, may be granted. Without any, nothing is looked at.
    ///
    /// # Errors
    /// The first that may not: it is written and holds one of these directories or lies in one, or it is read and the
    /// state directory is such; or this can't be told.
    pub fn check<'a>(&self, grants: impl IntoIterator<Item = (&'a Directory, BorrowedFd<'a>)>) -> Result<(), Error> {
        self.check_many(&mut None, grants)
    }

    /// The same for the next ones of many, with what was seen for the ones before. What has been mounted meanwhile is not
    /// among that: then it is looked anew.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_many<'a>(
        &self,
        seen: &mut Option<Seen>,
        grants: impl IntoIterator<Item = (&'a Directory, BorrowedFd<'a>)>,
    ) -> Result<(), Error> {
        for (directory, fd) in grants {
            let unknown = |cause| Error::Unknown { path: directory.host.clone(), cause };
            let known = seen.as_ref().map(|seen| seen.check(directory, fd));
            match known {
                Some(Ok(answer)) => answer?,
                Some(Err(_)) | None => {
                    let (mounts, own) = look::own(&self.paths).map_err(unknown)?;
                    seen.insert(Seen { mounts, own }).check(directory, fd).map_err(unknown)??;
                }
            }
        }
        Ok(())
    }
}

/// The own directories and the mounts, as they were when they were looked at.
pub struct Seen {
    mounts: Mounts,
    own: Vec<Own>,
}

impl Seen {
    /// # Errors
    /// The grant can't be looked at, or is in a mount that was not there; inside, that it may not be granted.
    fn check(&self, directory: &Directory, fd: BorrowedFd<'_>) -> io::Result<Result<(), Overlap>> {
        let grant = look::grant(fd, &self.mounts)?;
        let found: Vec<_> = self.own.iter().filter_map(|own| own.found(&grant, directory.access)).collect();
        let is_writable = directory.access == Access::ReadWrite;
        Ok(match found.is_empty() {
            true => Ok(()),
            false => Err(Overlap { grant: directory.host.clone(), is_writable, found }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::relation::{Grant, Inode, Location};
    use super::*;
    use crate::mounts::Mount;

    const DISK: (u32, u32) = (8, 1);
    const OTHER: (u32, u32) = (8, 2);

    fn mount(id: u64, device: (u32, u32), root: &str) -> Mount {
        Mount { id, device, root: root.into(), point: "/".into() }
    }

    fn inodes(device: (u32, u32), numbers: &[u64]) -> Vec<Inode> {
        numbers.iter().map(|number| Inode { device, number: *number }).collect()
    }

    /// A grant with the numbers of its directory and of those above.
    fn grant(mount: Mount, inside: &str, up: &[u64]) -> Grant {
        let up = inodes(mount.device, up);
        Grant { itself: up[0], up, mount, inside: inside.into() }
    }

    /// `/home/me/state` with the inodes 4/3/2/1, in a mount.
    fn own(kind: Kind, mount: Mount, inside: &str, exists: bool) -> Own {
        let within = inodes(mount.device, if exists { &[4, 3, 2, 1] } else { &[3, 2, 1] });
        let location = Location { exists, within: within.clone(), mount: mount.clone(), inside: inside.into() };
        Own { kind, path: "/home/me/state".into(), way: within, crossed: vec![mount], locations: vec![location] }
    }

    fn relation(own: &Own, grant: &Grant, access: Access) -> Option<Relation> {
        own.found(grant, access).map(|found| found.relation)
    }

    #[test]
    fn a_grant_above_beside_and_below() {
        let state = own(Kind::State, mount(1, DISK, "/"), "/home/me/state", true);
        let root = || mount(1, DISK, "/");
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let of = |inside, up: &[u64]| relation(&state, &grant(root(), inside, up), access);
            assert_eq!(of("/home", &[2, 1]), Some(Relation::Holds));
            assert_eq!(of("/home/me/state", &[4, 3, 2, 1]), Some(Relation::Holds));
            assert_eq!(of("/home/me/state/logs", &[5, 4, 3, 2, 1]), Some(Relation::LiesIn));
            assert_eq!(of("/home/me/statement", &[6, 3, 2, 1]), None);
        }
    }

    #[test]
    fn only_the_state_is_kept_from_readers() {
        let home = grant(mount(1, DISK, "/"), "/home", &[2, 1]);
        for kind in [Kind::Cache, Kind::Runtime] {
            let own = own(kind, mount(1, DISK, "/"), "/home/me/state", true);
            assert_eq!(relation(&own, &home, Access::ReadOnly), None);
            assert_eq!(relation(&own, &home, Access::ReadWrite), Some(Relation::Holds));
        }
    }

    #[test]
    fn what_is_not_there_yet_lies_where_it_will_be_made() {
        let state = own(Kind::State, mount(1, DISK, "/"), "/home/me", false);
        let of = |inside, up: &[u64]| relation(&state, &grant(mount(1, DISK, "/"), inside, up), Access::ReadOnly);
        assert_eq!(of("/home/me", &[3, 2, 1]), Some(Relation::Holds));
        assert_eq!(of("/home/me/data", &[7, 3, 2, 1]), None, "nothing lies in it");
    }

    #[test]
    fn another_mount_of_the_same_file_system_is_seen_through() {
        // The state is seen by a mount of /home/me alone.
        let own_mount = || mount(1, DISK, "/home/me");
        let mut state = own(Kind::State, own_mount(), "/home/me/state", true);
        state.locations[0].within.truncate(2);
        let whole = |inside, up: &[u64]| grant(mount(2, DISK, "/"), inside, up);
        assert_eq!(relation(&state, &whole("/home", &[2, 1]), Access::ReadOnly), Some(Relation::Holds));
        let bound = grant(mount(3, DISK, "/home/me/state/logs"), "/home/me/state/logs/job", &[9, 8]);
        assert_eq!(relation(&state, &bound, Access::ReadOnly), Some(Relation::LiesIn));
        assert_eq!(relation(&state, &whole("/home/you", &[7, 2, 1]), Access::ReadWrite), None);
        let elsewhere = grant(mount(2, OTHER, "/"), "/home", &[2, 1]);
        assert_eq!(relation(&state, &elsewhere, Access::ReadWrite), None, "another disk");
    }

    #[test]
    fn a_mount_on_the_way_hides_the_state_from_readers_and_from_no_writer() {
        let mut state = own(Kind::State, mount(2, OTHER, "/"), "/state", true);
        state.locations[0].within = inodes(OTHER, &[2, 1]);
        state.way = [inodes(OTHER, &[2, 1]), inodes(DISK, &[2, 1])].concat();
        let home = grant(mount(1, DISK, "/"), "/home", &[2, 1]);
        assert_eq!(relation(&state, &home, Access::ReadOnly), None);
        assert_eq!(relation(&state, &home, Access::ReadWrite), Some(Relation::Holds));
    }

    #[test]
    fn mounts_that_all_say_they_are_of_the_root_are_told_apart() {
        // As NFS does.
        let state = own(Kind::State, mount(1, DISK, "/"), "/state", true);
        let project = grant(mount(2, DISK, "/"), "/", &[77]);
        assert_eq!(relation(&state, &project, Access::ReadWrite), None);
    }

    #[test]
    fn the_sentence_names_everything_and_the_way_out() {
        let found = |relation, kind, path: &str| Found { relation, kind, path: path.into() };
        let overlap = Overlap {
            grant: "/home/me".into(),
            is_writable: true,
            found: vec![
                found(Relation::Holds, Kind::Cache, "/home/me/c"),
                found(Relation::Holds, Kind::State, "/home/me/s"),
                found(Relation::LiesIn, Kind::Runtime, "/home"),
            ],
        };
        assert_eq!(
            overlap.to_string(),
            "the directory \"/home/me\" can't be granted with :rw: it holds Sandhog's cache \"/home/me/c\" and Sandhog's \
             state directory \"/home/me/s\" and lies in Sandhog's runtime directory \"/home\", and a job that may write \
             there could change other jobs, or put itself in their place; grant another directory, or move Sandhog's \
             with SANDHOG_CACHE_DIR, SANDHOG_STATE_DIR and SANDHOG_RUNTIME_DIR"
        );
    }
}
