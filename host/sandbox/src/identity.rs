//! A user and group id of the worker's own.

use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::process::{getgid, getuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use sandhog_protocol::spawn::Ids;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("give up supplementary groups")]
    Groups(#[source] Errno),
    #[error("become group {gid}")]
    Group {
        gid: u32,
        #[source]
        source: Errno,
    },
    #[error("become user {uid}")]
    User {
        uid: u32,
        #[source]
        source: Errno,
    },
    #[error("the change of identity can be undone")]
    Reversible,
}

/// Becomes these ids for good: groups first, while there is still the right to change them, and a look back
/// afterwards, since a change that can be undone is none.
pub fn become_worker(ids: Ids) -> Result<(), Error> {
    let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
    set_thread_groups(&[]).map_err(Error::Groups)?;
    set_thread_res_gid(gid, gid, gid).map_err(|source| Error::Group { gid: ids.gid, source })?;
    set_thread_res_uid(uid, uid, uid).map_err(|source| Error::User { uid: ids.uid, source })?;
    let back = set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok()
        || set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).is_ok();
    if back || getuid() != uid || getgid() != gid { Err(Error::Reversible) } else { Ok(()) }
}
