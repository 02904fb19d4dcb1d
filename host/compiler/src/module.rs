//! What kind of file is it, and can it be run? Pure: bytes in, a refusal or nothing out. Validation comes
//! before compilation, because it takes a second where the compiler may take minutes to say the same.

use super::{engine, refusal::Refusal};
use sandhog_engine::objects;
use sandhog_engine::wasi1::{FUNCTIONS, INITIALIZE, MODULE, START, STARTS, signature};
use sandhog_protocol::plan::Kind;
use wasmparser::{
    BinaryReader, BinaryReaderError, FuncType, Parser, Payload, ValType, Validator, WasmFeatures,
    types::{EntityType, Types, TypesRef},
};

/// Largest text that is converted, in bytes. Its tree takes some thirty times as much memory; hand-written
/// and generated tests stay below a hundredth of it.
const TEXT: usize = 64 << 20;

/// Longest name of a module's own that is shown, in characters.
const NAME: usize = 100;

/// Magic number and version, in bytes.
const HEADER: usize = 8;
const MAGIC: &[u8] = b"\0asm";
const VERSION: u32 = 1;
/// Upper half of the version field in a component: "layer 1" of the component model's binary format. In the lower half stands
/// the version; before it is 1, each one is a draft, and this is the one that WASI 0.2 and 0.3 are built with.
const COMPONENT_LAYER: u32 = 1;
const COMPONENT: u32 = COMPONENT_LAYER << 16 | 0x0d;

/// In which form the module comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A core module, binary.
    Module,
    /// A component, binary.
    Component,
    /// Either, as text.
    Text,
}

/// What the first bytes of other files look like.
const OTHERS: &[(&[u8], Refusal)] = &[
    (b"\x7fELF\x02\x01\x01\xc8", Refusal::Compiled),
    (b"\x7fELF", Refusal::Native("a native Linux program (ELF)")),
    (b"MZ", Refusal::Native("a Windows program")),
    (b"\xcf\xfa\xed\xfe", Refusal::Native("a macOS program")),
    (b"\xca\xfe\xba\xbe", Refusal::Native("a Java class or a macOS program")),
    (b"!<arch>\n", Refusal::Native("a static library")),
    (b"BC\xc0\xde", Refusal::Native("LLVM bitcode")),
    (b"\x1f\x8b", Refusal::Packed("gzip")),
    (b"PK\x03\x04", Refusal::Packed("zip")),
    (b"\xfd7zXZ\0", Refusal::Packed("xz")),
    (b"\x28\xb5\x2f\xfd", Refusal::Packed("zstd")),
    (b"BZh", Refusal::Packed("bzip2")),
    (b"#!", Refusal::Script),
];

/// In which form the module in `bytes` comes.
///
/// # Errors
/// Where it is no module at all.
pub(super) fn form(bytes: &[u8]) -> Result<Form, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::Empty);
    }
    if let Some(rest) = bytes.strip_prefix(MAGIC) {
        return version(rest, bytes.len());
    }
    if MAGIC.starts_with(bytes) {
        return Err(Refusal::Truncated { length: bytes.len() });
    }
    if let Some((_, refusal)) = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(refusal.clone());
    }
    if begins_like_text_form(bytes) {
        return Ok(Form::Text);
    }
    if looks_like_text(bytes) { Err(Refusal::Text) } else { Err(Refusal::Unknown) }
}

fn version(after_magic: &[u8], length: usize) -> Result<Form, Refusal> {
    let Some((field, _)) = after_magic.split_first_chunk::<4>() else {
        return Err(Refusal::Truncated { length });
    };
    match u32::from_le_bytes(*field) {
        VERSION => Ok(Form::Module),
        COMPONENT => Ok(Form::Component),
        field if field >> 16 == COMPONENT_LAYER => Err(Refusal::ComponentDraft(field & 0xffff)),
        other => Err(Refusal::Version(other)),
    }
}

/// The text form begins with a parenthesis or a comment: `(;` or `;;`.
fn begins_like_text_form(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    text.starts_with(b"(") || text.starts_with(b";;")
}

fn looks_like_text(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(512)];
    // A character that the cut has split is no reason.
    let is_utf8 = match std::str::from_utf8(start) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_utf8 && start.iter().all(|byte| *byte >= 0x20 || byte.is_ascii_whitespace())
}

/// The binary form of a module in text.
///
/// # Errors
/// Where the text is not a module's.
pub(super) fn from_text(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    if bytes.len() > TEXT {
        return Err(Refusal::TextTooLarge { max: TEXT });
    }
    if std::str::from_utf8(bytes).is_err() {
        return Err(Refusal::Text);
    }
    match wat::parse_bytes(bytes) {
        Ok(binary) => Ok(binary.into_owned()),
        Err(error) => Err(Refusal::TextSyntax(one_line(&error.to_string()))),
    }
}

/// The converter's message is followed by the place, as `--> <anon>:LINE:COLUMN`, and a picture of it.
fn one_line(error: &str) -> String {
    let mut lines = error.lines();
    let message = lines.next().unwrap_or_default();
    match lines.next().and_then(|position| position.split_once("<anon>:")) {
        Some((_, position)) => format!("{} (at {position}, line and column)", shortened(message)),
        None => shortened(message),
    }
}

/// Whether a job can be made of the core module in `bytes`, which are in binary form.
///
/// # Errors
/// Why not.
pub(super) fn check(bytes: &[u8]) -> Result<(), Refusal> {
    form(bytes)?;
    let types = validate(bytes)?;
    let types = types.as_ref();
    check_imports(&types)?;
    check_start(&types, bytes)
}

/// Whether the core module in `bytes`, which carries a component's type, is linked as it is: a command that imports objects and,
/// beside them, WASI 0.1 alone. Their functions are there for core modules, too, and cost a fraction of a component's.
pub(super) fn needs_no_component(types: &TypesRef<'_>) -> bool {
    let is_provided = |(module, name, entity): (&str, &str, EntityType)| provided(module, name, entity).is_some();
    let imports = || types.core_imports().into_iter().flatten();
    let mut exports = types.core_exports().into_iter().flatten();
    imports().all(is_provided)
        && imports().any(|(module, ..)| module == objects::MODULE)
        && exports.any(|(name, _)| name == START)
}

/// The types of the core module in `bytes`.
///
/// # Errors
/// Where it is not valid.
pub(super) fn validate(bytes: &[u8]) -> Result<Types, Refusal> {
    let mut validator = Validator::new_with_features(engine::features(Kind::Core));
    validator.validate_all(bytes).map_err(|error| invalid(&error, bytes))
}

pub(super) fn invalid(error: &BinaryReaderError, bytes: &[u8]) -> Refusal {
    match error.missing_wasm_feature() {
        Some(WasmFeatures::THREADS) => Refusal::Threads,
        Some(WasmFeatures::LEGACY_EXCEPTIONS) => Refusal::LegacyExceptions,
        Some(feature) => Refusal::Feature(feature_name(feature)),
        None if ends_in_a_section(bytes) => Refusal::Truncated { length: bytes.len() },
        None => Refusal::Invalid { message: shortened(error.message()), offset: error.offset() },
    }
}

/// Walks the sections by their headers (an id and a length), as far as there are any.
fn ends_in_a_section(bytes: &[u8]) -> bool {
    let mut reader = BinaryReader::new(bytes, 0);
    let mut whole = reader.read_bytes(HEADER).is_ok();
    while whole && !reader.eof() {
        whole = read_section(&mut reader).is_ok();
    }
    !whole
}

fn read_section(reader: &mut BinaryReader<'_>) -> Result<(), BinaryReaderError> {
    reader.read_u8()?;
    let length = reader.read_var_u32()?;
    reader.read_bytes(length as usize).map(drop)
}

/// As the proposals are written: `custom-page-sizes`.
fn feature_name(feature: WasmFeatures) -> String {
    let name = feature.iter_names().next().map_or("unknown", |(name, _)| name);
    name.to_lowercase().replace('_', "-")
}

fn check_imports(types: &TypesRef<'_>) -> Result<(), Refusal> {
    let mut missing = Vec::new();
    for (module, name, entity) in types.core_imports().into_iter().flatten() {
        let full_name = shortened(&format!("{module}.{name}"));
        match (provided(module, name, entity), telling(module, name, entity)) {
            (Some(expected), _) => check_signature(types, full_name, entity, expected)?,
            (None, Some(refusal)) => return Err(refusal),
            (None, None) => missing.push(full_name),
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Refusal::Imports(missing)) }
}

/// The signature of the host's function for this import.
fn provided(module: &str, name: &str, entity: EntityType) -> Option<&'static str> {
    let (EntityType::Func(_) | EntityType::FuncExact(_)) = entity else {
        return None;
    };
    let functions = match module {
        MODULE => FUNCTIONS,
        objects::MODULE => objects::FUNCTIONS,
        _ => return None,
    };
    let (_, signature) = functions.iter().find(|(function, _)| *function == name)?;
    Some(signature)
}

fn check_signature(
    types: &TypesRef<'_>,
    name: String,
    entity: EntityType,
    expected: &'static str,
) -> Result<(), Refusal> {
    match function_type(types, entity) {
        Some(found) if described(found) != signature(expected) => {
            Err(Refusal::Signature { name, found: described(found), expected: signature(expected) })
        }
        _ => Ok(()),
    }
}

fn function_type<'a>(types: &'a TypesRef<'_>, entity: EntityType) -> Option<&'a FuncType> {
    match entity {
        EntityType::Func(id) | EntityType::FuncExact(id) => Some(types[id].unwrap_func()),
        EntityType::Table(_) | EntityType::Memory(_) | EntityType::Global(_) | EntityType::Tag(_) => None,
    }
}

/// Imports that tell how the module was built, and so what to do about it.
fn telling(module: &str, name: &str, entity: EntityType) -> Option<Refusal> {
    let full_name = || shortened(&format!("{module}.{name}"));
    let javascript = |maker, target| Some(Refusal::JavaScript { maker, name: full_name(), target });
    match (module, name) {
        ("wasi", "thread-spawn") => Some(Refusal::Threads),
        ("wasi_unstable", _) => Some(Refusal::WasiUnstable),
        ("__wbindgen_placeholder__" | "__wbindgen_externref_xform__" | "wbg" | "./wbg", _) => {
            javascript("wasm-bindgen", "cargo build --target wasm32-wasip1")
        }
        ("go" | "gojs", _) => javascript("Go's js/wasm", "GOOS=wasip1 GOARCH=wasm go build"),
        ("env", name) if name.starts_with("emscripten_") || name.starts_with("invoke_") => {
            javascript("Emscripten", "use wasi-sdk, or emcc -sSTANDALONE_WASM")
        }
        _ if module.contains(':') || module.starts_with("cm32p2") => Some(Refusal::ComponentInside(full_name())),
        _ => matches!(entity, EntityType::Memory(memory) if memory.shared).then_some(Refusal::Threads),
    }
}

/// There is something to start: one of [`STARTS`], or a start function that runs by itself; and what is called fits.
fn check_start(types: &TypesRef<'_>, bytes: &[u8]) -> Result<(), Refusal> {
    let exported = |wanted: &str| {
        let mut exports = types.core_exports().into_iter().flatten();
        exports.find(|(name, _)| *name == wanted).map(|(_, entity)| function_type(types, entity))
    };
    if exported(START) == Some(None) {
        return Err(Refusal::Start { name: START, found: "no function".to_owned() });
    }
    let called = |name| exported(name).flatten().map(|function| (name, function));
    let start = STARTS.into_iter().find_map(called);
    for (name, function) in called(INITIALIZE).into_iter().chain(start) {
        if !function.params().is_empty() || !function.results().is_empty() {
            return Err(Refusal::Start { name, found: format!("a function {}", described(function)) });
        }
    }
    if start.is_some() {
        return Ok(());
    }
    let exports = || types.core_exports().into_iter().flatten();
    if exports().any(|(name, _)| name == INITIALIZE) {
        return Err(Refusal::Reactor);
    }
    if has_start_section(bytes) {
        return Ok(());
    }
    Err(Refusal::Library(exports().map(|(name, _)| shortened(name)).collect()))
}

pub(super) fn has_start_section(bytes: &[u8]) -> bool {
    Parser::new(0).parse_all(bytes).any(|payload| matches!(payload, Ok(Payload::StartSection { .. })))
}

/// A function's signature, or what else it is.
pub(super) fn entity(types: &TypesRef<'_>, entity: EntityType) -> String {
    match (function_type(types, entity), entity) {
        (Some(function), _) => described(function),
        (None, EntityType::Memory(_)) => "memory".to_owned(),
        (None, EntityType::Table(_)) => "table".to_owned(),
        (None, EntityType::Global(_)) => "global".to_owned(),
        (None, EntityType::Tag(_)) => "tag".to_owned(),
        (None, EntityType::Func(_) | EntityType::FuncExact(_)) => "function".to_owned(),
    }
}

/// As in `(i32, i64) -> (i32)`.
fn described(function: &FuncType) -> String {
    let list = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    shortened(&format!("({}) -> ({})", list(function.params()), list(function.results())))
}

pub(super) fn shortened(text: &str) -> String {
    shortened_to(text, NAME)
}

/// At most so many characters of it.
pub(super) fn shortened_to(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> Result<(), Refusal> {
        check(&wat::parse_str(text).unwrap())
    }

    fn importing(import: &str) -> Result<(), Refusal> {
        check_text(&format!("(module (import {import}) (func (export \"_start\")))"))
    }

    #[test]
    fn other_files_are_called_by_their_names() {
        assert_eq!(form(b""), Err(Refusal::Empty));
        assert_eq!(form(b"\0as"), Err(Refusal::Truncated { length: 3 }));
        assert_eq!(form(b"\0asm\x01\0"), Err(Refusal::Truncated { length: 6 }));
        assert_eq!(form(b"\0asm\x02\0\0\0"), Err(Refusal::Version(2)));
        assert_eq!(form(b"\0asm\x0d\0\x01\0"), Ok(Form::Component));
        assert_eq!(form(b"\0asm\x0c\0\x01\0"), Err(Refusal::ComponentDraft(12)));
        assert_eq!(form(b"\x7fELF\x02\x01\x01\0"), Err(Refusal::Native("a native Linux program (ELF)")));
        assert_eq!(form(b"\x7fELF\x02\x01\x01\xc8"), Err(Refusal::Compiled));
        assert_eq!(form(b"#!/bin/sh\n"), Err(Refusal::Script));
        assert_eq!(form(b"print('hello')\n"), Err(Refusal::Text));
        assert_eq!(form(b"\x1f\x8b\x08\0"), Err(Refusal::Packed("gzip")));
        assert_eq!(form(b"\xff\xfe\x00\x01"), Err(Refusal::Unknown));
        assert_eq!(form(b" \n(module)"), Ok(Form::Text));
        assert_eq!(form(b";; a comment\n(module)"), Ok(Form::Text));
        assert_eq!(form(b"\0asm\x01\0\0\0"), Ok(Form::Module));
    }

    #[test]
    fn a_command_passes() {
        assert_eq!(check_text("(module (func (export \"_start\")))"), Ok(()));
        assert_eq!(importing("\"wasi_snapshot_preview1\" \"fd_close\" (func (param i32) (result i32))"), Ok(()));
    }

    #[test]
    fn a_start_function_is_something_to_start() {
        assert_eq!(check_text("(module (func $f) (start $f))"), Ok(()));
    }

    #[test]
    fn what_nobody_provides_is_named() {
        let missing = |name: &str| Err(Refusal::Imports(vec![name.to_owned()]));
        assert_eq!(importing("\"env\" \"dial\" (func)"), missing("env.dial"));
        assert_eq!(importing("\"wasi_snapshot_preview1\" \"dial\" (func)"), missing("wasi_snapshot_preview1.dial"));
        assert_eq!(importing("\"env\" \"memory\" (memory 1)"), missing("env.memory"));
        assert_eq!(
            importing("\"wasi_snapshot_preview1\" \"fd_close\" (global i32)"),
            missing("wasi_snapshot_preview1.fd_close")
        );
    }

    #[test]
    fn a_function_with_another_signature_is_refused() {
        let Err(Refusal::Signature { name, found, expected }) =
            importing("\"wasi_snapshot_preview1\" \"fd_close\" (func (param i64))")
        else {
            panic!("not refused for its signature");
        };
        assert_eq!((name.as_str(), found.as_str()), ("wasi_snapshot_preview1.fd_close", "(i64) -> ()"));
        assert_eq!(expected, "(i32) -> (i32)");
    }

    #[test]
    fn every_sign_of_threads_gets_the_sentence_about_threads() {
        assert_eq!(check_text("(module (memory 1 2 shared) (func (export \"_start\")))"), Err(Refusal::Threads));
        assert_eq!(importing("\"env\" \"memory\" (memory 1 2 shared)"), Err(Refusal::Threads));
        assert_eq!(importing("\"wasi\" \"thread-spawn\" (func (param i32) (result i32))"), Err(Refusal::Threads));
        let atomic = "(module (memory 1) (func (export \"_start\") (drop (i32.atomic.load (i32.const 0)))))";
        assert_eq!(check_text(atomic), Err(Refusal::Threads));
    }

    #[test]
    fn what_is_not_in_the_standard_is_called_by_its_name() {
        let wide = "(module (func (export \"_start\")
            (i64.mul_wide_u (i64.const 1) (i64.const 1)) drop drop))";
        assert_eq!(check_text(wide), Err(Refusal::Feature("wide-arithmetic".to_owned())));
        let pages = "(module (memory 1 (pagesize 1)) (func (export \"_start\")))";
        assert_eq!(check_text(pages), Err(Refusal::Feature("custom-page-sizes".to_owned())));
        // type (func), one function, tag section, body: try catch_all end end
        let legacy = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x0a\x01\x06_start\0\0\x0a\x08\x01\x06\0\x06\x40\x19\x0b\x0b";
        assert_eq!(check(legacy), Err(Refusal::LegacyExceptions));
    }

    #[test]
    fn what_is_in_the_standard_passes() {
        for text in [
            "(module (memory i64 1) (func (export \"_start\")))",
            "(module (memory 1) (memory 2) (func (export \"_start\")))",
            "(module (type (struct (field i32))) (func (export \"_start\") (drop (struct.new_default 0))))",
            "(module (tag) (func (export \"_start\") (block (try_table (catch_all 0) (throw 0)))))",
            "(module (func (export \"_start\") (return_call 0)))",
            "(module (func (export \"_start\") (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0)))))",
        ] {
            assert_eq!(check_text(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_module_without_a_start_is_a_reactor_or_a_library() {
        assert_eq!(check_text("(module (func (export \"_initialize\")))"), Err(Refusal::Reactor));
        assert_eq!(
            check_text("(module (func (export \"add\")) (memory (export \"memory\") 1))"),
            Err(Refusal::Library(vec!["add".to_owned(), "memory".to_owned()]))
        );
        assert_eq!(check_text("(module)"), Err(Refusal::Library(Vec::new())));
    }

    #[test]
    fn a_start_of_another_type_is_refused() {
        let refused = |found: &str| Err(Refusal::Start { name: START, found: found.to_owned() });
        assert_eq!(check_text("(module (func (export \"_start\") (param i32)))"), refused("a function (i32) -> ()"));
        assert_eq!(check_text("(module (memory (export \"_start\") 1))"), refused("no function"));
    }

    #[test]
    fn a_reactor_with_a_default_is_a_program() {
        let with = |exports: &str| check_text(&format!("(module (global $g i32 (i32.const 0)) (func $f) {exports})"));
        for program in [
            r#"(export "_initialize" (func $f)) (export "" (func $f))"#,
            r#"(export "" (func $f))"#,
            r#"(export "_initialize" (func $f)) (export "_start" (func $f))"#,
            r#"(export "_initialize" (global $g)) (export "_start" (func $f))"#,
            r#"(export "" (global $g)) (export "_start" (func $f))"#,
        ] {
            assert_eq!(with(program), Ok(()), "{program}");
        }
        assert_eq!(with(r#"(export "_initialize" (func $f)) (export "" (global $g))"#), Err(Refusal::Reactor));
        assert_eq!(with(r#"(export "" (global $g))"#), Err(Refusal::Library(vec![String::new()])));
        let refused = |name, found: &str| Err(Refusal::Start { name, found: found.to_owned() });
        assert_eq!(
            check_text(r#"(module (func (export "_initialize")) (func (export "") (param i32)))"#),
            refused("", "a function (i32) -> ()")
        );
        assert_eq!(
            check_text(r#"(module (func (export "_initialize") (result i32) (i32.const 0)) (func (export "")))"#),
            refused("_initialize", "a function () -> (i32)")
        );
    }

    #[test]
    fn modules_for_other_hosts_are_told_how_to_be_built() {
        assert!(matches!(importing("\"wbg\" \"f\" (func)"), Err(Refusal::JavaScript { maker: "wasm-bindgen", .. })));
        assert!(matches!(importing("\"gojs\" \"f\" (func)"), Err(Refusal::JavaScript { .. })));
        assert_eq!(importing("\"wasi_unstable\" \"fd_close\" (func)"), Err(Refusal::WasiUnstable));
        assert!(matches!(importing("\"wasi:cli/run@0.2.0\" \"f\" (func)"), Err(Refusal::ComponentInside(_))));
    }

    #[test]
    fn every_shorter_prefix_of_a_module_is_refused_and_none_panics() {
        let module = wat::parse_str(
            "(module (import \"wasi_snapshot_preview1\" \"fd_close\" (func (param i32) (result i32)))
                (memory 1) (data (i32.const 0) \"hello\") (func (export \"_start\") (drop (call 0 (i32.const 1)))))",
        )
        .unwrap();
        assert_eq!(check(&module), Ok(()));
        for length in 0..module.len() {
            assert!(check(&module[..length]).is_err() || is_whole(&module[..length]), "{length}");
        }
        assert_eq!(check(&module[..40]), Err(Refusal::Truncated { length: 40 }));
        assert_eq!(check(&module[..module.len() - 3]), Err(Refusal::Truncated { length: module.len() - 3 }));
    }

    /// A prefix that ends between two sections may be a module of its own.
    fn is_whole(bytes: &[u8]) -> bool {
        Validator::new_with_features(engine::features(Kind::Core)).validate_all(bytes).is_ok()
    }

    #[test]
    fn text_is_converted_or_refused_with_its_place() {
        assert!(from_text(b"(module)").is_ok());
        let Err(Refusal::TextSyntax(message)) = from_text(b"(module\n  (fun))") else {
            panic!("not refused");
        };
        assert!(message.contains("2:4"), "{message}");
    }

    #[test]
    fn deeply_nested_text_is_refused_without_overflow() {
        let text = format!("(module (func {}))", "(block ".repeat(1_000_000));
        assert!(matches!(from_text(text.as_bytes()), Err(Refusal::TextSyntax(_))));
    }
}
