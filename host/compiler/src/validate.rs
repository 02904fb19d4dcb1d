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
            let types = module::validate(&bytes)?;
            match module::needs_no_component(&types.as_ref()) {
                // Made for a component, it is called back in the middle of its program all the same: for room.
                true => core(componentize::without_constructors(&bytes).unwrap_or(bytes)),
                false => component(componentize::component(&bytes)?),
            }
        }
        Form::Module | Form::Text => core(bytes),
    }
}

fn core(bytes: Vec<u8>) -> Result<Validated, Refusal> {
    module::check(&bytes)?;
    Ok(Validated { bytes, kind: Kind::Core })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with these fields that says that it was made for a component.
    fn validated(fields: &str) -> Result<Kind, Refusal> {
        let text = format!("(module (@custom \"component-type:guest\" \"\") {fields})");
        validate(wat::parse_str(text).unwrap()).map(|validated| validated.kind)
    }

    const RELEASE: &str = "(import \"sandhog:job/objects@0.1.0\" \"[method]lock.release\" (func (param i32 i32)))";
    const START: &str = "(func (export \"_start\"))";

    #[test]
    fn a_command_that_imports_objects_alone_is_linked_as_it_is() {
        let wasi = "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32)))";
        assert_eq!(validated(&format!("{RELEASE} {wasi} {START}")), Ok(Kind::Core));
        // Also where nothing says that it was made for one.
        let text = format!("(module {RELEASE} {START})");
        assert_eq!(validate(text.into_bytes()).map(|validated| validated.kind), Ok(Kind::Core));
    }

    #[test]
    fn whatever_else_carries_a_type_is_made_a_component() {
        let parent = "(import \"sandhog:job/channel@0.1.0\" \"parent\" (func (param i32)))";
        let pipe = "(import \"sandhog:job/objects@0.1.0\" \"open-pipe\" (func (param i32 i32 i32)))";
        let new_pipe = "(import \"sandhog:job/objects@0.1.0\" \"create-pipe\" (func (param i32)))";
        let pipes = format!("{pipe} {new_pipe} {START}");
        for fields in
            [format!("{RELEASE} {parent} {START}"), format!("{pipe} {START}"), pipes, RELEASE.into(), START.into()]
        {
            // This type is none, which is found out there.
            assert!(matches!(validated(&fields), Err(Refusal::Componentize(_))), "{fields}");
        }
    }

    #[test]
    fn a_function_of_objects_of_another_type_is_refused() {
        let release = RELEASE.replace("(param i32 i32)", "(param i32)");
        let refused = validated(&format!("{release} {START}"));
        assert!(matches!(refused, Err(Refusal::Signature { .. })), "{refused:?}");
    }
}
