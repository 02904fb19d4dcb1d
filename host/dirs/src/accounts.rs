//! The machine's accounts, as their files tell: passwd(5), group(5). No service is asked (nsswitch.conf(5)): its modules are
//! libraries that a static executable can't load.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Sources that are files, or that hold no account of a person: nsswitch.conf(5), nss-systemd(8).
const FILES: [&str; 4] = ["compat", "db", "files", "systemd"];

/// Most that is read of a file of accounts, in bytes: a hundred thousand of them.
const ACCOUNTS_BYTES: u64 = 8 << 20;

/// An entry of passwd(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub gid: u32,
    pub home: PathBuf,
}

/// The account of this user, `None` where the file has none or can't be read.
#[must_use]
pub fn account(uid: u32) -> Option<Account> {
    account_in(&file(Path::new("/etc/passwd")).ok()?, uid)
}

/// All groups of an account, its primary group first.
#[must_use]
pub fn groups(account: &Account) -> Vec<u32> {
    groups_in(&file(Path::new("/etc/group")).unwrap_or_default(), account)
}

/// Where else this machine keeps accounts of people; `None`: nowhere.
#[must_use]
pub fn elsewhere() -> Option<String> {
    source_besides_files(&file(Path::new("/etc/nsswitch.conf")).unwrap_or_default())
}

/// A file of the machine's accounts; empty where there is none.
///
/// # Errors
/// It can't be read, or is longer than any.
pub fn file(path: &Path) -> io::Result<String> {
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    if file.take(ACCOUNTS_BYTES + 1).read_to_end(&mut bytes)? as u64 > ACCOUNTS_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn account_in(passwd: &str, uid: u32) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        let number: u32 = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let (_comment, home) = (fields.next()?, fields.next()?);
        // `+` and `-` stand for other sources.
        let is_it = number == uid && !name.starts_with(['+', '-']);
        is_it.then(|| Account { name: name.to_owned(), gid, home: home.into() })
    })
}

fn groups_in(group: &str, account: &Account) -> Vec<u32> {
    let member = |line: &str| {
        let mut fields = line.split(':');
        let (_name, _password) = (fields.next()?, fields.next()?);
        let gid: u32 = fields.next()?.parse().ok()?;
        fields.next()?.split(',').any(|name| name == account.name).then_some(gid)
    };
    let mut groups = vec![account.gid];
    groups.extend(group.lines().filter_map(member).filter(|gid| *gid != account.gid));
    groups
}

fn source_besides_files(nsswitch: &str) -> Option<String> {
    let line = nsswitch.lines().find_map(|line| line.trim_start().strip_prefix("passwd:"))?;
    let line = line.split('#').next()?;
    // `[NOTFOUND=return]` is what to do about an answer.
    let sources = line.split_whitespace().filter(|word| !word.starts_with('[') && !word.ends_with(']'));
    sources.map(str::to_owned).find(|source| !FILES.contains(&source.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1001:Ada,,,:/home/ada:/bin/sh\n+@staff::1000:0:::\nbroken\n";

    #[test]
    fn an_account_is_found_by_its_number() {
        let ada = Account { name: "ada".into(), gid: 1001, home: "/home/ada".into() };
        assert_eq!(account_in(PASSWD, 1000), Some(ada));
        assert_eq!(account_in(PASSWD, 7), None);
        assert_eq!(account_in("+@staff::7:0:::", 7), None);
    }

    #[test]
    fn groups_are_the_primary_one_and_all_that_name_the_account() {
        let ada = account_in(PASSWD, 1000).unwrap();
        let group = "ada:x:1001:\nwheel:x:10:root,ada\nadas:x:11:adam\nvideo:x:12:ada\ntwice:x:1001:ada\nbroken\n";
        assert_eq!(groups_in(group, &ada), [1001, 10, 12]);
    }

    #[test]
    fn a_source_that_is_no_file_is_named() {
        assert_eq!(source_besides_files("passwd: files systemd\n"), None);
        assert_eq!(
            source_besides_files("# passwd: ldap\ngroup: ldap\npasswd:\tcompat [NOTFOUND=return] sss\n"),
            Some("sss".into())
        );
        assert_eq!(source_besides_files(""), None);
    }

    #[test]
    fn a_file_of_accounts_may_be_absent_and_may_not_be_endless() {
        assert_eq!(file(Path::new("/nowhere/passwd")).unwrap(), "");
        assert_eq!(file(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(file(Path::new("/")).is_err());
    }
}
