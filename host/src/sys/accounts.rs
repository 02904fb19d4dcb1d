//! The user database: getpwuid_r(3), getgrouplist(3).

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// An entry of the user database.
pub(crate) struct Account {
    pub name: CString,
    pub gid: u32,
    pub home: PathBuf,
}

/// The account of a user id, `None` where the database has none or can't be read.
pub(crate) fn account(uid: u32) -> Option<Account> {
    // An entry is as long as it likes; 64 KiB is sixteen times what getpwuid_r(3) suggests, and an entry
    // that is longer counts as none.
    let mut buffer = Vec::<u8>::with_capacity(64 << 10);
    // SAFETY: a plain C structure for which zero bytes are a valid value.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: entry, buffer (with its length) and found live until the call returns.
    let answer =
        unsafe { libc::getpwuid_r(uid, &raw mut entry, buffer.as_mut_ptr().cast(), buffer.capacity(), &raw mut found) };
    if answer != 0 || found.is_null() {
        return None;
    }
    // SAFETY: the call has succeeded, so both point to strings inside the buffer, which is alive.
    let (name, home) = unsafe { (CStr::from_ptr(entry.pw_name), CStr::from_ptr(entry.pw_dir)) };
    Some(Account { name: name.to_owned(), gid: entry.pw_gid, home: PathBuf::from(OsStr::from_bytes(home.to_bytes())) })
}

/// All groups of an account, its primary group included.
pub(crate) fn groups(account: &Account) -> Vec<u32> {
    // NGROUPS_MAX of Linux: a longer list can't be given to a process anyway.
    let mut groups = vec![0_u32; 65_536];
    let mut count = groups.len() as libc::c_int;
    // SAFETY: the name ends with a null; the list has room for `count` ids.
    let answer = unsafe { libc::getgrouplist(account.name.as_ptr(), account.gid, groups.as_mut_ptr(), &raw mut count) };
    groups.truncate(if answer < 0 { 0 } else { count.cast_unsigned() as usize });
    groups
}
