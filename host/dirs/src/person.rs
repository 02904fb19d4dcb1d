//! Who started the command: whose files are granted, whose cache is used.

use super::accounts::{self, Account};
use rustix::process::{getegid, geteuid};
use std::ffi::OsString;
use std::path::PathBuf;

/// As far as the environment and the machine's accounts tell.
pub struct Person {
    pub uid: u32,
    pub gid: u32,
    pub home: Option<PathBuf>,
    pub behind_sudo: bool,
    pub account: Option<Account>,
}

impl Person {
    /// Behind sudo the one who called it, else whoever this process runs as. `root`: this process has root's rights, without
    /// which nobody is believed to be behind sudo.
    pub fn of(root: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let number = |name| variable(name)?.to_str()?.parse::<u32>().ok();
        let behind =
            root.then(|| Some((number("SUDO_UID")?, number("SUDO_GID")?))).flatten().filter(|(uid, _)| *uid != 0);
        let (uid, gid) = behind.unwrap_or((geteuid().as_raw(), getegid().as_raw()));
        // Read only where the environment does not say enough.
        let is_needed = behind.is_some() || variable("HOME").is_none();
        let account = is_needed.then(|| accounts::account(uid)).flatten();
        let home = account.as_ref().map(|account| account.home.clone()).filter(|home| home.is_absolute());
        Self { uid, gid, home, behind_sudo: behind.is_some(), account }
    }
}
