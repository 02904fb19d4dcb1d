//! From the bytes of a file to a module that can be compiled: recognised, in binary form, made a component where it carries
//! a component's type, valid, and of a world that can be run.

use super::{
    componentize,
    module::{self, Form},
    refusal::Refusal,
    world,
};
use sandhog_protocol::plan::Kind;

/// What is to be compiled.
#[derive(Debug)]
pub(super) struct Validated {
    /// In binary form.
    pub(super) bytes: Vec<u8>,
    pub(super) kind: Kind,
}

/// Validates the module in `bytes`.
///
/// # Errors
/// Why not.
pub(super) fn validate(bytes: Vec<u8>) -> Result<Validated, Refusal> {
    let (bytes, form) = in_binary_form(bytes)?;
    match form {
        Form::Component => component(bytes),
        Form::Module | Form::Text if componentize::carries_a_type(&bytes) => {
            module::validate(&bytes)?;
            component(componentize::component(&bytes)?)
        }
        Form::Module | Form::Text => {
            module::check(&bytes)?;
            Ok(Validated { bytes, kind: Kind::Core })
        }
    }
}

/// The module in binary form, and in which form that is. A text holds a module or a component.
///
/// # Errors
/// Where it is no module at all.
pub(super) fn in_binary_form(bytes: Vec<u8>) -> Result<(Vec<u8>, Form), Refusal> {
    match module::form(&bytes)? {
        Form::Text => {
            let bytes = module::from_text(&bytes)?;
            let form = module::form(&bytes)?;
            Ok((bytes, form))
        }
        form @ (Form::Module | Form::Component) => Ok((bytes, form)),
    }
}

fn component(bytes: Vec<u8>) -> Result<Validated, Refusal> {
    let kind = world::check(&bytes)?;
    Ok(Validated { bytes, kind })
}
