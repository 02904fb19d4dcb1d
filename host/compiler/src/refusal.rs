//! Why a module is refused: one sentence each, that says what it is, why not, and what to do.

use sandhog_protocol::limits;

/// Most names that one sentence lists.
const NAMES: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the file is empty: a WebAssembly module was expected, in binary (.wasm) or text (.wat)")]
    Empty,
    #[error("the file is larger than {} MiB, the most that a module may have: build it without debug information", limits::MODULE >> 20)]
    TooLarge,
    #[error("it is {0}, not WebAssembly: compile its source for WASI 0.1 (wasm32-wasip1) and run that")]
    Native(&'static str),
    #[error(
        "it is a module that wasmtime has compiled already (.cwasm): such a file can't be checked, so give the .wasm that it was made from"
    )]
    Compiled,
    #[error(
        "it is a script, not WebAssembly: run it with an interpreter that is built for WASI 0.1, and grant the script's directory with --dir"
    )]
    Script,
    #[error("it is a text file, neither WebAssembly (.wasm) nor its text form (.wat, which begins with a parenthesis)")]
    Text,
    #[error("it is packed ({0}): unpack it, and run the .wasm inside")]
    Packed(&'static str),
    #[error("it is not WebAssembly: it does not begin with the four bytes \\0asm")]
    Unknown,
    #[error("the module ends in its middle, after {length} bytes: it was cut short, so copy or download it again")]
    Truncated { length: usize },
    #[error("it is WebAssembly of version {0}, which is newer than this engine: compile it for version 1")]
    Version(u32),
    #[error(
        "it is a component of draft {0} of the component model, and Sandhog runs those of WASI 0.2 and 0.3: build it with a newer toolchain"
    )]
    ComponentDraft(u32),
    #[error(
        "it is the inside of a component: it imports {0}, but carries no component's type: build it with wit-bindgen, or make it a component (wasm-tools component new)"
    )]
    ComponentInside(String),
    #[error(
        "it carries a component's type and can't be made a component: {0}. Build it anew, with one version of wit-bindgen"
    )]
    Componentize(String),
    #[error(
        "it is a component with nothing to start: it exports {}, not wasi:cli/run, not `handle`, and no handler of wasi:http. Build it as a command, for the world `handler` of sandhog:job, or as a server of HTTP", listed(.0)
    )]
    ComponentLibrary(Vec<String>),
    #[error(
        "it imports what nobody provides: {}. A component may import WASI 0.2 and 0.3 as far as commands and servers of HTTP have it, and sandhog:job", listed(.0)
    )]
    ComponentImports(Vec<String>),
    #[error(
        "it is built against {0}, and Sandhog has WASI 0.2 and 0.3, and sandhog:job 0.1, without their drafts: build it against one of those"
    )]
    ComponentVersion(String),
    #[error(
        "its `handle` is {found}, where the world `handler` of sandhog:job has {expected}: build it against wit/sandhog.wit"
    )]
    Handle { found: String, expected: &'static str },
    #[error(
        "it uses threads (shared memory or atomic instructions), which Sandhog does not run: a shared memory escapes its limit. Compile it without threads, and run several jobs instead"
    )]
    Threads,
    #[error(
        "it uses the exception instructions that were replaced before they became the standard: compile it with the standard ones (clang: -mllvm -wasm-use-legacy-eh=false)"
    )]
    LegacyExceptions,
    #[error(
        "it uses the WebAssembly feature `{0}`, which is not in the standard and not supported: compile it without"
    )]
    Feature(String),
    #[error(
        "it is not valid WebAssembly: {message} (at byte {offset}). The toolchain that made it is at fault, or the file is damaged"
    )]
    Invalid { message: String, offset: usize },
    #[error("its text is not valid WebAssembly: {0}")]
    TextSyntax(String),
    #[error("the text is larger than {} MiB, the most that is converted: convert it to .wasm first", .max >> 20)]
    TextTooLarge { max: usize },
    #[error(
        "it is built for a draft of WASI that was replaced in 2020 (wasi_unstable): build it with a newer toolchain, for wasm32-wasip1"
    )]
    WasiUnstable,
    #[error("it is built for JavaScript ({maker}): it imports {name}. Build it for WASI 0.1: {target}")]
    JavaScript { maker: &'static str, name: String, target: &'static str },
    #[error("it imports what nobody provides: {}. A core module may import WASI 0.1 (wasi_snapshot_preview1), and what the component type that it carries names", listed(.0))]
    Imports(Vec<String>),
    #[error("it imports {name} as {found}, where WASI 0.1 has {expected}: it was built against another interface")]
    Signature { name: String, found: String, expected: String },
    #[error(
        "its {} is {found}, where a function without parameters and results was expected: build it as a WASI 0.1 command",
        called(name)
    )]
    Start { name: &'static str, found: String },
    #[error(
        "it is a reactor: it exports `_initialize` and waits to be called, so there is nothing to start. Build it as a command, which exports `_start`"
    )]
    Reactor,
    #[error("it is a library with nothing to start: it exports {}, not `_start`. Build it as a command", listed(.0))]
    Library(Vec<String>),
    #[error("the compiler can't compile it: {0}")]
    Compiler(String),
}

/// How an export is spoken of.
fn called(name: &str) -> String {
    if name.is_empty() { "default (the export with an empty name)".to_owned() } else { format!("`{name}`") }
}

/// The first few names, and how many more there are. One that is empty is shown as a string.
fn listed(names: &[String]) -> String {
    let visible = |name: &String| if name.is_empty() { "\"\"".to_owned() } else { name.clone() };
    let shown: Vec<String> = names.iter().take(NAMES).map(visible).collect();
    match names.len() {
        0 => "nothing".to_owned(),
        count if count > NAMES => format!("{} and {} more", shown.join(", "), count - NAMES),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_with_a_count() {
        let names: Vec<String> = (1..=8).map(|number| format!("env.f{number}")).collect();
        let text = Refusal::Imports(names).to_string();
        assert!(text.contains("env.f1, env.f2, env.f3, env.f4, env.f5 and 3 more"), "{text}");
    }
}
