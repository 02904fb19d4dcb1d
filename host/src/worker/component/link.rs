//! What components may import: WASI, and Sandhog's own interfaces. Nothing is linked that [`PROVIDED`] does not name, and the
//! compiler refuses whatever else a component wants.

use super::{ComponentGuest, http, names, paths};
use crate::worker::hostcalls;
use sandhog_protocol::plan::Kind;
use wasmtime::{Engine, component::Linker};

/// Interfaces by package, with the versions of it that fit (all of 0.2, for example, link to each other). Drafts do not.
pub(in crate::worker) const PROVIDED: &[(&str, &str, &[&str])] = &[
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
    ("sandhog:job", "0.1", &["types", "process", "channel", "children"]),
];

/// A linker with all that a component of this kind may import.
///
/// # Errors
/// The engine's own, where something is defined twice.
pub(in crate::worker) fn linker(engine: &Engine, kind: Kind) -> wasmtime::Result<Linker<ComponentGuest>> {
    let mut linker = Linker::new(engine);
    hostcalls::link(&mut linker)?;
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    paths::link(&mut linker)?;
    names::link(&mut linker, paths::TYPES)?;
    http::link(&mut linker, kind)?;
    match kind {
        Kind::Core | Kind::Component => {}
        Kind::Concurrent => wasmtime_wasi::p3::add_to_linker(&mut linker)?,
    }
    Ok(linker)
}
