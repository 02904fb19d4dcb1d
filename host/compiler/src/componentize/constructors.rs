//! Takes the C library's constructors out of what is called in the middle of a program. Pure.
//!
//! Where nothing of a program calls its constructors, the linker wraps each export, so that a call of it runs them first and
//! the destructors at last (wasm-ld, "command-style linkage"). That is right for `_start`, which is called once. But
//! `cabi_realloc` is called for each list that comes to the program, which may not call the host then: constructors that
//! look for granted directories trap, and destructors flush and close what the program still uses.

use super::sections::{EXPORT, leb128, section};
use sandhog_engine::wasi1::START;
use std::collections::BTreeMap;
use std::ops::Range;
use wasmparser::{BinaryReader, ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef};

/// What the canonical ABI calls of a program that runs: memory for what comes, and an end to what was given.
fn is_called_in_between(export: &str) -> bool {
    export == "cabi_realloc" || export.starts_with("cabi_post_")
}

/// A function that the linker has put around another: constructors, that function with the same parameters, destructors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wrapper {
    constructors: u32,
    inner: u32,
    destructors: u32,
}

/// The module with such exports led to the functions inside of their wrappers; None where there are none.
pub(crate) fn without_constructors(bytes: &[u8]) -> Option<Vec<u8>> {
    let exported = Functions::read(bytes)?;
    let start = exported.wrapper(*exported.exports.get(START)?)?;
    let unwrapped = |name: &str| {
        let wrapper = exported.wrapper(*exported.exports.get(name)?)?;
        let alike = (wrapper.constructors, wrapper.destructors) == (start.constructors, start.destructors);
        alike.then_some(wrapper.inner)
    };
    let names = exported.exports.keys().filter(|name| is_called_in_between(name));
    let inner: BTreeMap<&str, u32> = names.filter_map(|name| Some((*name, unwrapped(name)?))).collect();
    if inner.is_empty() { None } else { redirected(bytes, &inner) }
}

/// The functions of a module that matter here.
struct Functions<'a> {
    imported: u32,
    exports: BTreeMap<&'a str, u32>,
    bodies: Vec<FunctionBody<'a>>,
}

impl<'a> Functions<'a> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other sections tell nothing of functions")]
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut functions = Self { imported: 0, exports: BTreeMap::new(), bodies: Vec::new() };
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.ok()? {
                Payload::ImportSection(imports) => {
                    let imports = imports.into_imports().collect::<Result<Vec<_>, _>>().ok()?;
                    let of_functions =
                        imports.iter().filter(|import| matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                    functions.imported = u32::try_from(of_functions.count()).ok()?;
                }
                Payload::ExportSection(exports) => {
                    let exports = exports.into_iter().flatten().filter(|export| export.kind == ExternalKind::Func);
                    functions.exports = exports.map(|export| (export.name, export.index)).collect();
                }
                Payload::CodeSectionEntry(body) => functions.bodies.push(body),
                _ => {}
            }
        }
        Some(functions)
    }

    /// The function as a wrapper; None where it is something else.
    #[expect(clippy::wildcard_enum_match_arm, reason = "WebAssembly has hundreds of instructions")]
    fn wrapper(&self, function: u32) -> Option<Wrapper> {
        let body = self.bodies.get(function.checked_sub(self.imported)? as usize)?;
        if body.get_locals_reader().ok()?.get_count() != 0 {
            return None;
        }
        let mut operators = body.get_operators_reader().ok()?;
        let Operator::Call { function_index: constructors } = operators.read().ok()? else { return None };
        let mut parameter = 0;
        let inner = loop {
            match operators.read().ok()? {
                Operator::LocalGet { local_index } if local_index == parameter => parameter += 1,
                Operator::Call { function_index } => break function_index,
                _ => return None,
            }
        };
        let Operator::Call { function_index: destructors } = operators.read().ok()? else { return None };
        let ends = matches!(operators.read().ok()?, Operator::End) && operators.eof();
        ends.then_some(Wrapper { constructors, inner, destructors })
    }
}

/// The module with these exports led to these functions.
fn redirected(bytes: &[u8], inner: &BTreeMap<&str, u32>) -> Option<Vec<u8>> {
    let (Range { start, end }, contents) = section(bytes, EXPORT, |_| true)?;
    let mut reader = BinaryReader::new(contents, 0);
    let count = reader.read_var_u32().ok()?;
    let mut exports = contents.get(..reader.original_position())?.to_vec();
    for _ in 0..count {
        let entry = reader.original_position();
        let name = reader.read_string().ok()?;
        reader.read_u8().ok()?;
        let index = reader.original_position();
        reader.read_var_u32().ok()?;
        match inner.get(name) {
            Some(function) => {
                exports.extend_from_slice(contents.get(entry..index)?);
                leb128(&mut exports, *function as usize);
            }
            None => exports.extend_from_slice(contents.get(entry..reader.original_position())?),
        }
    }
    let mut module = bytes.get(..start)?.to_vec();
    module.push(EXPORT);
    leb128(&mut module, exports.len());
    module.extend_from_slice(&exports);
    module.extend_from_slice(bytes.get(end..)?);
    Some(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(realloc: &str) -> Vec<u8> {
        let text = format!(
            r#"(module
                (import "m" "f" (func $imported))
                (func $constructors)
                (func $destructors)
                (func $other)
                (func $main)
                (func $realloc (param i32 i32 i32 i32) (result i32) (local.get 0))
                (func $start_wrapped (call $constructors) (call $main) (call $destructors))
                (func $wrapped (param i32 i32 i32 i32) (result i32) {realloc})
                (memory (export "memory") 1)
                (export "_start" (func $start_wrapped))
                (export "cabi_realloc" (func $wrapped))
                (export "more" (func $wrapped)))"#
        );
        wat::parse_str(text).unwrap()
    }

    fn parameters(constructors: &str) -> String {
        format!(
            "(call ${constructors}) (local.get 0) (local.get 1) (local.get 2) (local.get 3) (call $realloc) (call $destructors)"
        )
    }

    #[test]
    fn what_is_called_in_between_is_led_inside_and_all_else_stays() {
        let before = module(&parameters("constructors"));
        let after = without_constructors(&before).unwrap();
        wasmparser::validate(&after).unwrap();
        let exports = |bytes: &[u8]| {
            let functions = Functions::read(bytes).unwrap();
            ["_start", "cabi_realloc", "more"].map(|name| functions.exports[name])
        };
        assert_eq!((exports(&before), exports(&after)), ([6, 7, 7], [6, 5, 7]));
    }

    #[test]
    fn what_is_no_such_wrapper_stays_as_it_is() {
        assert_eq!(without_constructors(&module(&parameters("other"))), None);
        assert_eq!(without_constructors(&module("(call $constructors) (local.get 1)")), None);
        assert_eq!(without_constructors(&module("(local.get 0)")), None);
        assert_eq!(without_constructors(b"\0asm\x01\0\0\0"), None);
    }
}
