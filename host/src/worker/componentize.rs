//! Makes a component of a core module that carries a component's type, as wit-bindgen leaves it behind. Its calls of WASI
//! 0.1 go through the adapter that the engine's makers publish, which serves them by WASI 0.2.

use super::{module::START, refusal::Refusal};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// What the name of the custom section begins with; behind it stands the name of the world.
const SECTION: &str = "component-type";

/// Whether the core module in `bytes` carries a component's type. Walks the headers of its sections and decodes none.
pub(super) fn carries_a_type(bytes: &[u8]) -> bool {
    Parser::new(0).parse_all(bytes).map_while(Result::ok).any(|payload| match payload {
        Payload::CustomSection(section) => section.name().starts_with(SECTION),
        _ => false,
    })
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
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(bytes)
        .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| Refusal::Componentize(super::module::shortened_to(&format!("{error:#}"), 400)))
}

/// A program exports `_start`, which its adapter makes `wasi:cli/run` of; a handler does not.
fn exports_a_start(bytes: &[u8]) -> bool {
    let sections = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let exports = sections.filter_map(|payload| match payload {
        Payload::ExportSection(exports) => Some(exports),
        _ => None,
    });
    exports.flatten().flatten().any(|export| export.name == START)
}
