//! What a test needs of its machine. A test that can't be made here says so instead of passing in silence.
//!
//! Must not: decide that a test is not needed.

use crate::installed::target;
use crate::person::is_root;
use std::fs::File;
use std::io::Write;

/// What a test needs of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To be root.
    Root,
    /// Namespaces for somebody who is not.
    UserNamespaces,
    /// A cgroup to make others in.
    Cgroup,
    /// Of some kind, or with some property.
    FileSystem,
    /// More open files than it allows.
    Descriptors,
    /// Somebody else's, such as curl.
    Program,
    /// What `scripts/client-generator.sh` fetches.
    ClientGenerator,
}

impl Need {
    /// As `SANDHOG_REQUIRE` names it.
    fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::UserNamespaces => "userns",
            Self::Cgroup => "cgroup",
            Self::FileSystem => "filesystem",
            Self::Descriptors => "descriptors",
            Self::Program => "program",
            Self::ClientGenerator => "client-generator",
        }
    }
}

/// Says why a test could not be made here: to `not-tried` beside the guests, which `./just test` shows at its end.
///
/// # Panics
///
/// Where `SANDHOG_REQUIRE` names what is missing (`root,userns,cgroup`).
pub fn missing(need: Need, what: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {what}", thread.name().unwrap_or("a test"));
    let required = std::env::var("SANDHOG_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name == need.name()), "{line}: SANDHOG_REQUIRE says that it is there");
    eprintln!("not tried here: {line}");
    let list = File::options().create(true).append(true).open(target().join("not-tried"));
    // Whoever may not write there sees it above.
    let _ = list.and_then(|mut list| writeln!(list, "{line}"));
}

/// True as root; else says that the test was not made.
pub fn root_or_missing(what: &str) -> bool {
    if !is_root() {
        missing(Need::Root, &format!("{what} needs root"));
    }
    is_root()
}
