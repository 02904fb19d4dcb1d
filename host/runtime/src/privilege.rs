//! The person who started the command, their privilege, and how it is given up. Only the spawner keeps privilege.

use super::terms::Terms;
use crate::spawner::{self, Launched, launch, launch_early};
use rustix::process::{Gid, Uid, getegid, geteuid};
use rustix::thread::{CapabilitySet, capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use sandhog_dirs::person::Person;
use sandhog_dirs::{accounts, executables, paths};
use sandhog_protocol::causes;
use sandhog_sandbox::namespaces::{self, IdMap};
use sandhog_sandbox::{capabilities, cgroup};
use sandhog_spawner::floor::Floor;
use sandhog_spawner::ids::{Ids, Tag};
use sandhog_spawner::range::{self, Chosen, Range};
use sandhog_spawner::{Delegated, Executables, Privilege, RootSetting, Setting, leftovers};
use sandhog_spec::job::User;
use sandhog_sys::process::{self, SingleThreaded};
use sandhog_sys::stamps;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::OnceLock;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("this machine lets an ordinary user have no user namespace")]
    UserNamespace {
        #[source]
        cause: io::Error,
    },
    #[error("this machine gives a new user namespace no rights")]
    Restricted {
        #[source]
        cause: io::Error,
    },
    /// User 0, which can't do what root does.
    #[error("root has no capabilities here, and no user namespace of its own either")]
    Powerless {
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Paths(#[from] paths::Error),
    #[error(transparent)]
    Executables(#[from] executables::Error),
    #[error(transparent)]
    Spawner(#[from] spawner::Error),
    #[error("failed to look at the file of ids")]
    Ids(#[source] io::Error),
    #[error(
        "--user {uid}:{gid}: the ids from {first} to {last} are for workers that have one of their own; name others, or leave \
         --user away"
    )]
    Reserved { uid: u32, gid: u32, first: u32, last: u32 },
    #[error(
        "user {uid}, who called sudo, is not in /etc/passwd: this machine has accounts in {source_name} as well, which sandhog does \
         not ask, so their groups are not known"
    )]
    Account { uid: u32, source_name: String },
    #[error("failed to become the person behind sudo")]
    Identity(#[source] io::Error),
    #[error("failed to give up privilege")]
    Capabilities(#[from] capabilities::Error),
}

impl Error {
    /// A wall that this machine can't give, rather than a fault of ours.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::UserNamespace { .. }
            | Self::Restricted { .. }
            | Self::Powerless { .. }
            | Self::Reserved { .. }
            | Self::Account { .. }
            | Self::Paths(_)
            | Self::Executables(_) => true,
            Self::Spawner(spawner::Error::Fork(cause)) => cause.raw_os_error() == Some(libc::EAGAIN),
            Self::Spawner(_) | Self::Ids(_) | Self::Identity(_) | Self::Capabilities(_) => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Powerless { .. } => Some(
                "this root lacks capabilities, and is treated as an ordinary user: start it with CAP_SYS_ADMIN, CAP_SETUID, \
                 CAP_SETGID and CAP_KILL (docker run --cap-add), or as a user other than root",
            ),
            Self::Spawner(spawner::Error::Fork(cause)) if cause.raw_os_error() == Some(libc::EAGAIN) => Some(
                "this user has as many processes as RLIMIT_NPROC (ulimit -u) lets it have: end some, or raise that limit",
            ),
            Self::UserNamespace { .. } => Some(
                "try one of: sysctl kernel.unprivileged_userns_clone=1 (Debian), a larger user.max_user_namespaces, \
                 an AppArmor profile for sandhog that allows userns (Ubuntu), a start outside of any chroot, or start it as root",
            ),
            Self::Restricted { .. } => Some(
                "Ubuntu restricts them: give sandhog an AppArmor profile that allows userns, or \
                 sysctl kernel.apparmor_restrict_unprivileged_userns=0, or start it as root",
            ),
            Self::Executables(error) => Some(error.hint()),
            Self::Account { .. } => Some("start it without sudo, or as root itself (sudo -i)"),
            Self::Paths(_)
            | Self::Spawner(_)
            | Self::Ids(_)
            | Self::Reserved { .. }
            | Self::Identity(_)
            | Self::Capabilities(_) => None,
        }
    }
}

/// Whether this process was started with the right to give other processes ids and limits: root with its capabilities
/// and with the ids that workers get, not merely uid 0 of some user namespace. Looked up once, before any of it is
/// given up.
pub fn is_root() -> bool {
    ids_to_give().is_some()
}

/// Where the ids of workers come from. None: this process can give them none.
fn ids_to_give() -> Option<&'static Chosen> {
    static IDS: OnceLock<Option<Chosen>> = OnceLock::new();
    IDS.get_or_init(|| if has_roots_rights() { chosen_ids() } else { None }).as_ref()
}

fn has_roots_rights() -> bool {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
    geteuid().is_root() && capabilities(None).is_ok_and(|has| has.effective.contains(needed))
}

/// A range that is registered for Sandhog, or that nobody has, as far as the machine's own files tell.
fn chosen_ids() -> Option<Chosen> {
    let mut unread = None;
    let mut read = |path: &str| {
        accounts::file(Path::new(path)).unwrap_or_else(|error| {
            unread.get_or_insert_with(|| format!("{path} can't be read ({error}): others may have the ids of workers"));
            String::new()
        })
    };
    let [subuid, subgid, passwd, group] = ["/etc/subuid", "/etc/subgid", "/etc/passwd", "/etc/group"].map(&mut read);
    let maps = ["/proc/self/uid_map", "/proc/self/gid_map"].map(|map| std::fs::read_to_string(map).unwrap_or_default());
    let files = range::Files { subuid: &subuid, subgid: &subgid, passwd: &passwd, group: &group };
    let Chosen { range, weak } = range::choose(files, maps.each_ref().map(String::as_str))?;
    Some(Chosen { range, weak: weak.or(unread) })
}

/// Who started this command.
pub fn who() -> Person {
    Person::of(is_root(), |name| std::env::var_os(name))
}

/// What is left after [`split`].
pub struct Parted {
    pub launched: Launched,
    pub person: Person,
    pub root: bool,
    /// What the spawner holds every plan to.
    pub floor: Floor,
}

/// What a command begins with.
pub struct Start {
    token: SingleThreaded,
    early: Option<Early>,
}

impl From<SingleThreaded> for Start {
    fn from(token: SingleThreaded) -> Self {
        Self { token, early: None }
    }
}

/// A spawner that was forked before anybody knew its setting. It ends with this.
struct Early(Option<Launched>);

impl Early {
    fn into_launched(mut self) -> Option<Launched> {
        self.0.take()
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Launched::end);
    }
}

impl Start {
    /// With a spawner that begins at once, while the command's arguments are still read: for a command that will most likely run
    /// a guest. Where that can't be done, [`split`] starts the spawner, or says why not.
    ///
    /// Must be called before anything untrusted is read.
    #[must_use]
    pub fn early(token: SingleThreaded) -> Self {
        let (true, Ok(executables)) = (has_roots_rights(), executables()) else { return token.into() };
        let (token, launched) = launch_early(token, executables);
        stamps::note("spawner is forked");
        Self { token, early: launched.ok().map(|launched| Early(Some(launched))) }
    }

    /// For what has no use for such a spawner.
    #[must_use]
    pub fn into_token(self) -> SingleThreaded {
        self.token
    }
}

/// Starts the spawner with the privilege that there is, and goes on without any.
pub fn split(start: Start, terms: &Terms) -> Result<Parted, Error> {
    let Start { token, early } = start;
    paths::check_given(|name| std::env::var_os(name))?;
    let (person, root) = (who(), is_root());
    if person.behind_sudo
        && person.account.is_none()
        && let Some(source) = accounts::elsewhere()
    {
        return Err(Error::Account { uid: person.uid, source_name: source });
    }
    let ids = ids_to_give();
    let fixed = ids.map_or(Ok(None), |chosen| fixed(terms.user, chosen.range))?;
    let (token, launched, floor) = match (ids, early.and_then(Early::into_launched)) {
        (Some(chosen), Some(launched)) => {
            let (launched, floor) = settle(launched, chosen, fixed, &person, terms)?;
            (token, launched, floor)
        }
        (ids, launched) => {
            // Its place is outside of the user namespace that is entered now.
            launched.into_iter().for_each(Launched::end);
            let privilege = match ids {
                Some(Chosen { range, weak }) => {
                    let ids = Ids::new(paths::open_ids()?, *range, own_tag(), fixed).map_err(Error::Ids)?;
                    Privilege::Root { ids: Rc::new(ids), weak: weak.clone() }
                }
                None => {
                    enter_user_namespace(&token)?;
                    Privilege::Rootless { cgroups: delegated() }
                }
            };
            let cgroups = matches!(privilege, Privilege::Rootless { cgroups: Ok(_) });
            let floor = terms.floor(root, cgroups);
            let (person, first) = ((person.uid, person.gid), terms.first(&floor));
            let setting = Setting { privilege, person, floor: floor.clone(), executables: executables()?, first };
            stamps::note("ids and executables are found");
            let (token, launched) = launch(token, setting)?;
            stamps::note("spawner is forked");
            (token, launched, floor)
        }
    };
    if person.behind_sudo {
        become_person(&person).map_err(Error::Identity)?;
    }
    capabilities::no_new_privileges()?;
    capabilities::drop_all()?;
    // Behind the id map that an ordinary user's command writes for itself, and any change of identity.
    capabilities::not_dumpable()?;
    // From here on there may be threads.
    let SingleThreaded { .. } = token;
    Ok(Parted { launched, person, root, floor })
}

/// Tells a spawner that runs already what it is for.
fn settle(
    launched: Launched,
    chosen: &Chosen,
    fixed: Option<(u32, u32)>,
    person: &Person,
    terms: &Terms,
) -> Result<(Launched, Floor), Error> {
    let floor = terms.floor(true, false);
    let setting = RootSetting {
        range: chosen.range,
        tag: own_tag(),
        fixed,
        weak: chosen.weak.clone(),
        person: (person.uid, person.gid),
        floor: floor.clone(),
        first: terms.first(&floor),
    };
    let told = paths::open_ids()
        .map_err(Error::from)
        .and_then(|ids| launched.settle(&setting, ids.as_fd()).map_err(Error::from));
    stamps::note("spawner knows its setting");
    match told {
        Ok(()) => Ok((launched, floor)),
        Err(error) => {
            launched.end();
            Err(error)
        }
    }
}

/// Ids that the operator asks for: none of those that workers have of their own.
fn fixed(user: User, range: Range) -> Result<Option<(u32, u32)>, Error> {
    match user {
        User::Ids { uid, gid } if range.contains(uid) || range.contains(gid) => {
            Err(Error::Reserved { uid, gid, first: range.first, last: range.last() })
        }
        User::Ids { uid, gid } => Ok(Some((uid, gid))),
        User::Auto | User::Keep => Ok(None),
    }
}

/// Opened while there is the privilege to read them.
fn executables() -> Result<Executables, Error> {
    let found = executables::find()?;
    // A build's id is made of digits.
    let build = std::ffi::CString::new(found.build).unwrap_or_default();
    Ok(Executables { worker: found.worker, compiler: found.compiler, build })
}

/// Removes what a spawner of root's has left behind that was killed. This process has given up all capabilities: as root it
/// may still remove what is root's, as the person behind sudo it may not.
pub fn sweep() {
    let Some(Chosen { range, .. }) = ids_to_give() else { return };
    if let Some(ids) = paths::open_ids().ok().and_then(|file| Ids::new(file, *range, own_tag(), None).ok()) {
        leftovers::sweep(&Rc::new(ids));
    }
}

fn own_tag() -> Tag {
    tag(|name| std::env::var_os(name))
}

/// By what the cgroups of commands with one runtime directory are known.
fn tag(variable: impl Fn(&str) -> Option<OsString>) -> Tag {
    Tag::of(paths::common(variable).as_encoded_bytes())
}

/// Cgroups of an ordinary user's own, where somebody has handed some over; else why there are none.
fn delegated() -> Result<Delegated, String> {
    /// Names of cgroups: of as many as may be at once, a pair of neighbours each.
    const NUMBERS: Range = Range { first: 1, count: 2 << 20 };
    let hierarchies = cgroup::delegated().map_err(|error| {
        if let cgroup::Error::Missing { reason: cgroup::Missing::NotHandedOver, .. } = error {
            return "no cgroup was handed over to it".into();
        }
        format!("failed to {}", causes::one_line(&error))
    })?;
    let locks = hierarchies.locks().map_err(|error| format!("failed to open its cgroup: {error}"))?;
    let numbers =
        Ids::new(locks, NUMBERS, own_tag(), None).map_err(|error| format!("failed to look at its cgroup: {error}"))?;
    Ok(Delegated { hierarchies, numbers: Rc::new(numbers) })
}

/// A user and mount namespace in which this process keeps its ids and may clone mounts and make namespaces.
fn enter_user_namespace(token: &SingleThreaded) -> Result<(), Error> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    process::unshare(token, libc::CLONE_NEWUSER | libc::CLONE_NEWNS).map_err(|cause| match uid {
        0 => Error::Powerless { cause },
        _ => Error::UserNamespace { cause },
    })?;
    let map = IdMap { uids: vec![(uid, uid, 1)], gids: vec![(gid, gid, 1)], deny_setgroups: true };
    let process = rustix::fs::open(
        "/proc/self",
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    );
    let restricted = |cause: io::Error| match uid {
        0 => Error::Powerless { cause },
        _ => Error::Restricted { cause },
    };
    let process = process.map_err(|errno| restricted(errno.into()))?;
    namespaces::map_ids(process.as_fd(), &map).map_err(|error| restricted(io::Error::other(causes::one_line(&error))))
}

/// Gives up root for good: groups, group, user, and a look back.
fn become_person(person: &Person) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(person.uid), Gid::from_raw(person.gid));
    let groups = person.account.as_ref().map(accounts::groups).unwrap_or_default();
    let groups: Vec<Gid> = groups.into_iter().filter(|group| *group != u32::MAX).map(Gid::from_raw).collect();
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    if set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok() {
        Err(io::Error::other("it can be undone"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_that_of_the_runtime_directory() {
        let given = |path: &'static str| move |name: &str| (name == "SANDHOG_RUNTIME_DIR").then(|| path.into());
        // The test vector of FNV-1a for "a".
        assert_eq!(tag(given("a")), Tag(0xaf63_dc4c_8601_ec8c));
        assert_eq!(tag(|_| None), tag(given("/run/sandhog")));
    }
}
