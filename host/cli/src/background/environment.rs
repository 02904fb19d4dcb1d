//! The environment of a daemon in the background: of whoever calls `up` it has what its directories follow from, and nothing
//! else. What a manifest lets through by `env = ["NAME"]` is read by the command that brings the jobs up.

use std::ffi::OsString;

/// The variables that a daemon keeps, each with what it is needed for.
const KEPT: [(&str, &str); 10] = [
    ("HOME", "cache and state are below it"),
    ("XDG_CACHE_HOME", "the cache is there"),
    ("XDG_STATE_HOME", "the state is there"),
    ("XDG_RUNTIME_DIR", "the control socket is there"),
    ("SANDHOG_CACHE_DIR", "the cache is there, whatever else says"),
    ("SANDHOG_STATE_DIR", "the state is there, whatever else says"),
    ("SANDHOG_RUNTIME_DIR", "the control socket is there, whatever else says"),
    ("SUDO_UID", "the daemon becomes the person behind sudo, as every command does"),
    ("SUDO_GID", "their group"),
    ("RUST_BACKTRACE", "a panic is told with its trace"),
];

/// The variables of `from` that a daemon keeps.
pub(super) fn of(from: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    from.filter(|(name, _)| KEPT.iter().any(|(kept, _)| name == kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_daemon_needs_is_kept_and_nothing_else() {
        let given =
            ["HOME", "NOTIFY_SOCKET", "LD_PRELOAD", "SANDHOG_STATE_DIR", "SANDHOG_IPC_FD", "AWS_SECRET", "HOMER"];
        let given = given.into_iter().map(|name| (OsString::from(name), OsString::from("value")));
        let kept: Vec<_> = of(given).map(|(name, _)| name).collect();
        assert_eq!(kept, ["HOME", "SANDHOG_STATE_DIR"]);
    }
}
