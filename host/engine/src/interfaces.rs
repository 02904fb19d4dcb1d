//! The interfaces that components may import, and the names by which they are called. Data only: the worker links them, and
//! the compiler refuses whatever else a component wants.

/// The interface of a command.
pub const RUN: &str = "wasi:cli/run";

/// Interfaces by package, with the versions of it that fit (all of 0.2, for example, link to each other). Drafts do not.
pub const PROVIDED: &[(&str, &str, &[&str])] = &[
    (
        "wasi:cli",
        "0.2",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", "0.2", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", "0.2", &["types", "preopens"]),
    ("wasi:http", "0.2", &["types", "outgoing-handler"]),
    ("wasi:io", "0.2", &["error", "poll", "streams"]),
    ("wasi:random", "0.2", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:sockets",
        "0.2",
        &["network", "instance-network", "ip-name-lookup", "tcp", "tcp-create-socket", "udp", "udp-create-socket"],
    ),
    (
        "wasi:cli",
        "0.3",
        &[
            "environment",
            "exit",
            "types",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", "0.3", &["types", "monotonic-clock", "system-clock"]),
    ("wasi:filesystem", "0.3", &["types", "preopens"]),
    ("wasi:http", "0.3", &["types", "client"]),
    ("wasi:random", "0.3", &["random", "insecure", "insecure-seed"]),
    ("wasi:sockets", "0.3", &["types", "ip-name-lookup"]),
    ("sandhog:job", "0.1", &["types", "process", "sockets", "channel", "objects", "children"]),
];

/// The export by which a command is run: of all versions of `wasi:cli/run` among `exports` the newest that can be run. A
/// program for 0.3 has that of 0.2 as well, as a stub that traps: its standard library brings it along.
pub fn newest_run<'a>(exports: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    newest(exports, |name| name.is(RUN) && (name.is_of("0.2") || name.is_of("0.3")))
}

/// The interface by which WASI 0.2 answers requests, and that of 0.3.
pub const INCOMING_HANDLER: &str = "wasi:http/incoming-handler";
pub const HTTP_HANDLER: &str = "wasi:http/handler";

/// The export by which requests are answered: of all versions of these two among `exports` the newest that can be called.
pub fn newest_http<'a>(exports: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let fits =
        |name: &Name| (name.is(INCOMING_HANDLER) && name.is_of("0.2")) || (name.is(HTTP_HANDLER) && name.is_of("0.3"));
    newest(exports, fits)
}

fn newest<'a>(exports: impl Iterator<Item = &'a str>, fits: impl Fn(&Name) -> bool) -> Option<&'a str> {
    let named = exports.filter_map(|export| Name::parse(export).filter(&fits).map(|name| (name.number(), export)));
    named.max().map(|(_, export)| export)
}

/// A name such as `wasi:cli/run@0.2.3`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// `wasi:cli`.
    pub package: &'a str,
    /// `run`.
    pub interface: &'a str,
    /// `0.2.3`; empty where there is none.
    pub version: &'a str,
}

impl<'a> Name<'a> {
    /// None where it is the name of no interface.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let (package, interface) = path.split_once('/')?;
        Some(Self { package, interface, version })
    }

    /// Whether it is of this series of versions, `0.2`, for one. Drafts (`0.3.0-rc`) belong to none.
    pub fn is_of(self, series: &str) -> bool {
        let rest = self.version.strip_prefix(series);
        rest.is_some_and(|rest| rest.starts_with('.')) && !self.version.contains('-')
    }

    /// Whether it is the interface of this name, `wasi:cli/run`, in whatever version.
    fn is(self, interface: &str) -> bool {
        interface.split_once('/') == Some((self.package, self.interface))
    }

    /// Its version for comparing: of `0.2.10`, 0, 2 and 10.
    fn number(self) -> Vec<u64> {
        self.version.split('.').map_while(|part| part.parse().ok()).collect()
    }

    pub fn is_provided(self) -> bool {
        PROVIDED.iter().any(|(package, series, interfaces)| {
            self.package == *package && self.is_of(series) && interfaces.contains(&self.interface)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_run_is_the_one_that_counts_and_drafts_do_not() {
        let newest = |exports: &[&'static str]| newest_run(exports.iter().copied());
        assert_eq!(newest(&["wasi:cli/run@0.2.0", "wasi:cli/run@0.3.0"]), Some("wasi:cli/run@0.3.0"));
        assert_eq!(newest(&["wasi:cli/run@0.3.1", "wasi:cli/run@0.2.12", "handle"]), Some("wasi:cli/run@0.3.1"));
        assert_eq!(newest(&["wasi:cli/run@0.2.12", "wasi:cli/run@0.2.9"]), Some("wasi:cli/run@0.2.12"));
        assert_eq!(newest(&["wasi:cli/run@0.2.0", "wasi:cli/run@0.3.0-rc-2026-03-15"]), Some("wasi:cli/run@0.2.0"));
        assert_eq!(newest(&["wasi:cli/run@0.4.0", "wasi:cli/run", "wasi:cli/runs@0.2.0", "handle"]), None);
    }

    #[test]
    fn the_newest_http_is_the_one_that_counts_and_each_series_has_its_own_interface() {
        let newest = |exports: &[&'static str]| newest_http(exports.iter().copied());
        let (old, new) = ("wasi:http/incoming-handler@0.2.3", "wasi:http/handler@0.3.0");
        assert_eq!(newest(&[new, old, "wasi:cli/run@0.2.0"]), Some(new));
        assert_eq!(newest(&[old, "wasi:http/incoming-handler@0.2.12"]), Some("wasi:http/incoming-handler@0.2.12"));
        assert_eq!(newest(&[old, "wasi:http/handler@0.3.0-rc-2026-03-15"]), Some(old));
        assert_eq!(newest(&["wasi:http/incoming-handler@0.3.0", "wasi:http/handler@0.2.0", "wasi:http/handler"]), None);
    }
}
