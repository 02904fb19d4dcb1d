//! Looks at modules and compiles them, inside a process that is sealed already.
//!
//! ```text
//! fd 0 ──▶ compile ──▶ validate: module, world (what is it, may it run?), componentize ──▶ engine ──▶ fd 1
//! ```
//!
//! Must not: trust a module, run anything of it, open anything by path. Nothing here knows the coordinator: plans come in,
//! reports go out.

mod compile;
mod componentize;
pub mod engine;
mod inspect;
mod module;
mod refusal;
mod validate;
mod workload;
mod world;

pub use refusal::Refusal;
pub use workload::Compilations;
pub use world::check;

/// The module in `bytes` as it is compiled, and of which kind it is: recognised, in binary form, made a component where it carries
/// a component's type, valid.
///
/// # Errors
/// Why it can't be.
pub fn validated(bytes: Vec<u8>) -> Result<(Vec<u8>, sandhog_protocol::plan::Kind), Refusal> {
    validate::validate(bytes).map(|validate::Validated { bytes, kind }| (bytes, kind))
}
