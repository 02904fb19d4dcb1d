//! Makes a component of a core module that carries a component's type, as wit-bindgen leaves it behind. Its calls of WASI
//! 0.1 go through the adapter that the engine's makers publish, which serves them by WASI 0.2.

mod constructors;
mod sections;

use super::refusal::Refusal;
pub(crate) use constructors::without_constructors;
use sandhog_engine::wasi1::START;
use sections::{CUSTOM, IMPORT, leb128, section};
use std::borrow::Cow;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// What the name of the custom section begins with; behind it stands the name of the world.
const SECTION: &str = "component-type";

/// Whether the core module in `bytes` carries a component's type. Walks the headers of its sections and decodes none.
pub(super) fn carries_a_type(bytes: &[u8]) -> bool {
    Parser::new(0)
        .parse_all(bytes)
        .map_while(Result::ok)
        .any(|payload| matches!(payload, Payload::CustomSection(section) if section.name().starts_with(SECTION)))
}

/// The component. `bytes` are a valid core module.
///
/// # Errors
/// Where the type and the module do not fit together.
pub(super) fn component(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let adapter = if exports_a_start(bytes) {
        WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
    } else {
        WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER
    };
    let mut module = Cow::Borrowed(bytes);
    for change in [with_exit_codes, without_constructors] {
        module = change(&module).map_or(module, Cow::Owned);
    }
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| Refusal::Componentize(super::module::shortened_to(&format!("{error:#}"), 400)))
}

/// A program exports `_start`, which its adapter makes `wasi:cli/run` of; a handler does not.
fn exports_a_start(bytes: &[u8]) -> bool {
    let sections = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let exports =
        sections.filter_map(|payload| if let Payload::ExportSection(exports) = payload { Some(exports) } else { None });
    exports.flatten().flatten().any(|export| export.name == START)
}

/// How a module imports the end of the program, and the function of WASI 0.2 that does the same and keeps the code, which the
/// adapter's does not: for it all codes but 0 are one. Both take an i32; of this one the lowest byte counts. The
/// version is the adapter's.
const EXIT: &[u8] = b"\x16wasi_snapshot_preview1\x09proc_exit\0";
const EXIT_WITH_CODE: &[u8] = b"\x14wasi:cli/exit@0.2.12\x0eexit-with-code\0";

/// The module with [`EXIT_WITH_CODE`] in the place of [`EXIT`]; None where it does not import that.
fn with_exit_codes(bytes: &[u8]) -> Option<Vec<u8>> {
    let (range, contents) = section(bytes, IMPORT, |_| true)?;
    let at = contents.windows(EXIT.len()).position(|window| window == EXIT)?;
    let imports = [&contents[..at], EXIT_WITH_CODE, &contents[at + EXIT.len()..]].concat();
    // The type of all of WASI 0.2 that commands import, without an export: what is not used is left out again.
    let (known, _) = section(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER, CUSTOM, |name| name.starts_with(SECTION))?;
    let mut module = bytes.get(..range.start)?.to_vec();
    module.push(IMPORT);
    leb128(&mut module, imports.len());
    module.extend_from_slice(&imports);
    module.extend_from_slice(bytes.get(range.end..)?);
    module.extend_from_slice(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER.get(known)?);
    Some(module)
}
