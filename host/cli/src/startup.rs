//! `sandhog startup`: a systemd unit that keeps a daemon up.

use super::args::StartupArgs;
use super::embedded::Failure;
use super::ending::report;
use super::render;
use serde::Serialize;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whose daemon it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// That of an account of its own, without privilege.
    Systems,
    /// Root's, with every wall.
    Root,
    /// A person's, by systemd's user manager.
    Persons,
}

/// Lines of the unit's service, with the reason for them. Which units have them is said by the flags.
struct Block {
    reason: &'static str,
    lines: &'static str,
    systems: bool,
    root: bool,
    persons: bool,
}

const fn of_all(reason: &'static str, lines: &'static str) -> Block {
    Block { reason, lines, systems: true, root: true, persons: true }
}

const fn without_root(reason: &'static str, lines: &'static str) -> Block {
    Block { root: false, ..of_all(reason, lines) }
}

const fn of_systems(reason: &'static str, lines: &'static str) -> Block {
    Block { persons: false, ..without_root(reason, lines) }
}

const fn of_root(reason: &'static str, lines: &'static str) -> Block {
    Block { systems: false, persons: false, ..of_all(reason, lines) }
}

const fn of_persons(reason: &'static str, lines: &'static str) -> Block {
    Block { systems: false, ..without_root(reason, lines) }
}

const NO_NETWORK: Block = of_all(
    "No network: jobs have none, and people reach the daemon by a socket in the file system. Jobs that serve HTTP need\n\
     another unit: sandhog startup --listen.",
    "PrivateNetwork=yes\nIPAddressDeny=any\nRestrictAddressFamilies=AF_UNIX",
);

/// In its place, where jobs serve HTTP.
const LISTENING: Block = of_all(
    "It listens for jobs that serve HTTP, and connects to nobody. Jobs have no network: a worker is handed connections.\n\
     For a port below 1024 put a sandhog.socket with ListenStream=80 beside this; systemd passes it on.",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
);

/// What is hardened, and what is not since the daemon would not work: it has walls of its own, which are built of the same
/// mechanisms. The source of what each directive does: systemd.exec(5) of version 252.
const BLOCKS: [Block; 17] = [
    of_systems(
        "An account of its own. Its directory is its home, where the daemon keeps state, logs, cache and socket.",
        "User=sandhog\nStateDirectory=sandhog\nStateDirectoryMode=0700\nRemoveIPC=yes",
    ),
    of_root(
        "As root each worker gets an id and a cgroup of its own. These four are what that takes.",
        "CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SETUID CAP_SETGID CAP_KILL\nStateDirectory=sandhog\n\
         StateDirectoryMode=0700\nCacheDirectory=sandhog\nCacheDirectoryMode=0700\nRuntimeDirectory=sandhog\n\
         RuntimeDirectoryMode=0700\nRuntimeDirectoryPreserve=yes\nDelegate=yes",
    ),
    without_root(
        "No capabilities. The daemon makes a user namespace for its walls, and has what it needs inside of it.",
        "CapabilityBoundingSet=\nPrivateUsers=yes",
    ),
    of_all(
        "No executable gives it more than it has, and no directory entry is for others.",
        "NoNewPrivileges=yes\nUMask=0077\nKeyringMode=private",
    ),
    NO_NETWORK,
    of_systems(
        "It reads what jobs are given, and writes to its own directory alone. A job with a directory to write to (:rw)\n\
         needs it here as well: ReadWritePaths=/srv/data. /tmp is its own: keep modules elsewhere.",
        "ProtectSystem=strict\nProtectHome=read-only\nPrivateTmp=yes",
    ),
    of_persons(
        "It reads what jobs are given, and writes to its own directories alone. A job with a directory to write to (:rw)\n\
         needs it here as well: ReadWritePaths=%h/data. /tmp is its own: keep modules elsewhere.",
        "ProtectSystem=strict\nProtectHome=read-only\nPrivateTmp=yes\nRuntimeDirectory=sandhog\n\
         RuntimeDirectoryPreserve=yes\nReadWritePaths=%h/.local/state/sandhog %h/.cache/sandhog",
    ),
    of_root(
        "Jobs may be given directories anywhere, to write to as well; not those of the system itself.",
        "ProtectSystem=full",
    ),
    of_all("No devices but null, zero, random and their like.", "PrivateDevices=yes"),
    of_all(
        "What is mounted here is seen nowhere else. /proc/sys stays writable, for a zygote forbids itself further\n\
         namespaces there (so no ProtectKernelTunables, no ProcSubset), and /proc shows workers, for it measures them\n\
         (so no ProtectProc).",
        "PrivateMounts=yes",
    ),
    of_systems(
        "Each job has a cgroup below the unit's own, with its memory and its tasks. All others are read-only. In another\n\
         slice than system.slice the last line needs its path; without it RLIMIT_DATA and RLIMIT_NPROC stand in.",
        "Delegate=memory pids\nProtectControlGroups=yes\nReadWritePaths=-/sys/fs/cgroup/system.slice/%n",
    ),
    of_persons(
        "Each job has a cgroup below the unit's own, with its memory and its tasks. Beside it you may write your own alone.",
        "Delegate=memory pids",
    ),
    of_all(
        "Neither clock nor name, modules or log of the machine is its business.",
        "ProtectClock=yes\nProtectHostname=yes\nProtectKernelModules=yes\nProtectKernelLogs=yes",
    ),
    of_all(
        "No other personality, no priority over the rest of the machine. It does need new namespaces (no\n\
         RestrictNamespaces), openat2, which RestrictSUIDSGID takes away, and to make compiled modules executable (no\n\
         MemoryDenyWriteExecute).",
        "LockPersonality=yes\nRestrictRealtime=yes",
    ),
    of_all(
        "System calls that neither the daemon nor a wall needs. A worker's own filter is far narrower.",
        "SystemCallArchitectures=native\n\
         SystemCallFilter=~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @resources @swap\n\
         SystemCallErrorNumber=EPERM",
    ),
    of_all(
        "It stops its jobs in reverse order by itself; what does not end in its grace is killed. SIGTERM goes to the daemon\n\
         alone.",
        "KillMode=mixed\nTimeoutStopSec=90s",
    ),
    of_all(
        "It says when it is ready. Should it fail it comes back, and brings up what was up.",
        "Type=notify\nNotifyAccess=main\nRestart=on-failure\nRestartSec=1s",
    ),
];

/// What to do with the unit.
const SYSTEMS_HEAD: &str = "\
# Sandhog's daemon, for this machine, by an account of its own.
#   useradd --system --home-dir /var/lib/sandhog --shell /usr/sbin/nologin sandhog
#   sandhog startup > /etc/systemd/system/sandhog.service
#   systemctl enable --now sandhog
# To speak to it: sudo -u sandhog sandhog ps. Modules and directories of jobs have to be readable for that account.
# systemd-analyze security --offline=true (252): 1.9. Workers then share one id; with sandhog startup --root each has
# its own, but the daemon has more.
";

const ROOT_HEAD: &str = "\
# Sandhog's daemon, for this machine, as root: every worker has an id and a cgroup of its own.
#   sandhog startup --root > /etc/systemd/system/sandhog.service
#   systemctl enable --now sandhog
# To speak to it: sudo -i sandhog ps.
# systemd-analyze security --offline=true (252): 3.5, most of it for what builds the walls: namespaces, ids, mounts.
";

const PERSONS_HEAD: &str = "\
# Sandhog's daemon, for one person.
#   mkdir -p -m 700 ~/.local/state/sandhog ~/.cache/sandhog
#   sandhog startup --user > ~/.config/systemd/user/sandhog.service
#   systemctl --user enable --now sandhog
#   loginctl enable-linger       (it then runs without you being logged in)
# systemd-analyze security --offline=true (252): 2.4, as it is no account of its own.
";

/// Prints the unit; returns the exit code.
pub(super) fn run(args: StartupArgs) -> u8 {
    report(try_run(args))
}

fn try_run(args: StartupArgs) -> Result<u8, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::of(&error))?;
    let whose = match (args.root, args.user) {
        (true, _) => Whose::Root,
        (false, true) => Whose::Persons,
        (false, false) => Whose::Systems,
    };
    let unit = unit(whose, args.listen, &program);
    Ok(if args.json { render::answer_json(&Json::new(whose, &unit)) } else { render::answer(unit.as_bytes()) })
}

#[derive(Serialize)]
struct Json<'a> {
    name: &'static str,
    /// Where it belongs.
    directory: &'static str,
    text: &'a str,
}

impl<'a> Json<'a> {
    fn new(whose: Whose, text: &'a str) -> Self {
        let directory = match whose {
            Whose::Systems | Whose::Root => "/etc/systemd/system",
            Whose::Persons => "~/.config/systemd/user",
        };
        Self { name: "sandhog.service", directory, text }
    }
}

fn unit(whose: Whose, listens: bool, program: &Path) -> String {
    let (head, target) = match whose {
        Whose::Systems => (SYSTEMS_HEAD, "multi-user.target"),
        Whose::Root => (ROOT_HEAD, "multi-user.target"),
        Whose::Persons => (PERSONS_HEAD, "default.target"),
    };
    let mut text = format!("{head}\n[Unit]\nDescription=Sandhog: sealed WebAssembly jobs, kept up\n\n[Service]\n");
    text.push_str(&format!("ExecStart=:{} daemon\n", quoted(program)));
    for block in BLOCKS.iter().filter(|block| block.is_of(whose)) {
        let block = if listens && block.lines == NO_NETWORK.lines { &LISTENING } else { block };
        let reason: String = block.reason.lines().map(|line| format!("# {line}\n")).collect();
        text.push_str(&format!("\n{reason}{}\n", block.lines));
    }
    text + &format!("\n[Install]\nWantedBy={target}\n")
}

impl Block {
    const fn is_of(&self, whose: Whose) -> bool {
        match whose {
            Whose::Systems => self.systems,
            Whose::Root => self.root,
            Whose::Persons => self.persons,
        }
    }
}

/// A path as systemd reads it, in quotes (systemd.syntax(7)): `%` begins a specifier, `\` an escape. `$` means nothing
/// behind the `:` of ExecStart.
fn quoted(path: &Path) -> String {
    let mut text = String::from('"');
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' => text.push_str("%%"),
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            // Writing to a String does not fail.
            hidden => drop(write!(text, "\\x{hidden:02x}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const ALL: [Whose; 3] = [Whose::Systems, Whose::Root, Whose::Persons];

    #[test]
    fn a_path_is_quoted_for_systemd() {
        assert_eq!(quoted(Path::new("/usr/bin/sandhog")), "\"/usr/bin/sandhog\"");
        assert_eq!(quoted(Path::new("/a b/100%/\"x\"\\\n")), "\"/a b/100%%/\\\"x\\\"\\\\\\x0a\"");
    }

    #[test]
    fn every_line_is_a_comment_a_section_or_a_setting_that_is_there_once() {
        for whose in ALL {
            let unit = unit(whose, false, Path::new("/usr/bin/sandhog"));
            let lines = unit.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
            let keys: Vec<_> = lines.map(|line| line.split_once('=').unwrap().0).collect();
            assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len(), "{unit}");
            assert!(unit.lines().all(|line| line.len() <= 120), "{unit}");
        }
    }

    #[test]
    fn a_unit_for_jobs_that_listen_leaves_the_network_and_nothing_else() {
        for whose in ALL {
            let both = [false, true].map(|listens| unit(whose, listens, Path::new("/usr/bin/sandhog")));
            let lines =
                both.each_ref().map(|unit| unit.lines().filter(|line| !line.starts_with('#')).collect::<BTreeSet<_>>());
            let gone: Vec<_> = lines[0].difference(&lines[1]).collect();
            let new: Vec<_> = lines[1].difference(&lines[0]).collect();
            assert_eq!(gone, [&"IPAddressDeny=any", &"PrivateNetwork=yes", &"RestrictAddressFamilies=AF_UNIX"]);
            assert_eq!(new, [&"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"]);
            assert!(both[1].lines().all(|line| line.len() <= 120), "{}", both[1]);
        }
    }

    #[test]
    fn no_unit_takes_away_what_the_walls_are_built_of() {
        let fatal = [
            "RestrictNamespaces",
            "MemoryDenyWriteExecute",
            "RestrictSUIDSGID",
            "ProtectKernelTunables",
            "ProcSubset",
            "ProtectProc",
            "DynamicUser",
            "@mount",
            "@privileged",
            "@sandbox",
        ];
        for whose in ALL {
            let unit = unit(whose, false, Path::new("/usr/bin/sandhog"));
            for line in unit.lines().filter(|line| !line.starts_with('#')) {
                assert!(!fatal.iter().any(|word| line.contains(word)), "{line}");
            }
        }
    }

    #[test]
    fn every_unit_has_cgroups_of_its_own() {
        for whose in ALL {
            let unit = unit(whose, false, Path::new("/usr/bin/sandhog"));
            let delegated = unit.lines().any(|line| line == "Delegate=memory pids" || line == "Delegate=yes");
            // Read-only is all but its own.
            let writable = unit.lines().any(|line| line.starts_with("ReadWritePaths=") && line.ends_with(".slice/%n"));
            assert!(delegated && unit.contains("\nProtectControlGroups=yes\n") == writable, "{unit}");
        }
    }

    #[test]
    fn the_systems_unit_has_no_privilege_and_roots_has_four() {
        let systems = unit(Whose::Systems, false, Path::new("/usr/bin/sandhog"));
        assert!(systems.contains("\nUser=sandhog\n") && systems.contains("\nCapabilityBoundingSet=\n"));
        let root = unit(Whose::Root, false, Path::new("/usr/bin/sandhog"));
        assert!(root.contains("\nCapabilityBoundingSet=CAP_SYS_ADMIN CAP_SETUID CAP_SETGID CAP_KILL\n"));
        assert!(!root.contains("PrivateUsers") && !root.contains("ProtectControlGroups"));
    }
}
