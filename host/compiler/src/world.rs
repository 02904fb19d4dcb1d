//! What a component imports and exports, and whether that is a job. Pure: bytes in, a kind or a refusal out.

use super::{engine, module, refusal::Refusal};
use sandhog_engine::interfaces::{HTTP_HANDLER, INCOMING_HANDLER, Name, PROVIDED, RUN, newest_http, newest_run};
use sandhog_protocol::plan::Kind;
use std::fmt::Write;
use wasmparser::{
    Parser, Payload, Validator, WasmFeatures,
    component_types::{ComponentDefinedType, ComponentEntityType, ComponentFuncTypeId, ComponentValType},
    types::{Types, TypesRef},
};

/// The function of a handler, and its type.
const HANDLE: &str = "handle";
const HANDLE_TYPE: &str = "func(task: record { format: enum { value, bytes, failure }, body: list<u8> }) -> \
    result<record { format: enum { value, bytes, failure }, body: list<u8> }, string>";

/// What a component is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// It exports this version of `wasi:cli/run`, the newest of those that can be run.
    Command(&'a str),
    /// It exports `handle`.
    Handler,
    /// It exports an interface of `wasi:http` by which requests are answered, and nothing of the above.
    Http,
}

/// A valid component, with the names at its outside.
pub(super) struct Component {
    pub(super) types: Types,
    pub(super) kind: Kind,
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

/// Whether a job can be made of the component in `bytes`, and of which kind.
///
/// # Errors
/// Why not.
pub fn check(bytes: &[u8]) -> Result<Kind, Refusal> {
    let component = parse(bytes)?;
    entry(&component)?;
    check_imports(&component)?;
    Ok(component.kind)
}

/// Validates the component in `bytes`: as one without anything of WASI 0.3 where it is that.
///
/// # Errors
/// Why it is not valid.
pub(super) fn parse(bytes: &[u8]) -> Result<Component, Refusal> {
    let valid = |kind| Validator::new_with_features(engine::features(kind)).validate_all(bytes);
    let (types, kind) = match valid(Kind::Component) {
        Ok(types) => (types, Kind::Component),
        Err(error) if error.missing_wasm_feature() == Some(WasmFeatures::CM_ASYNC) => {
            (valid(Kind::Concurrent).map_err(|error| module::invalid(&error, bytes))?, Kind::Concurrent)
        }
        Err(error) => return Err(module::invalid(&error, bytes)),
    };
    let (imports, exports) = outside(bytes);
    let of_0_3 =
        |name: &String| Name::parse(name).is_some_and(|name| name.package.starts_with("wasi:") && name.is_of("0.3"));
    let concurrent = imports.iter().chain(&exports).any(of_0_3);
    Ok(Component { types, kind: if concurrent { Kind::Concurrent } else { kind }, imports, exports })
}

/// The names of all that the component in `bytes` imports and exports, but for what is inside of it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other sections name nothing that is outside")]
fn outside(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().flatten().map(|import| import.name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().flatten().map(|export| export.name.name.to_owned()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

/// What the component is called for.
///
/// # Errors
/// Where it is of no world that can be run.
pub(super) fn entry(component: &Component) -> Result<Entry<'_>, Refusal> {
    let types = component.types.as_ref();
    let named = |package_and_interface: &str| {
        let is_it = |name: &&String| name.split('@').next() == Some(package_and_interface);
        component.exports.iter().find(is_it).map(String::as_str)
    };
    if let Some(run) = newest_run(component.exports.iter().map(String::as_str)) {
        return Ok(Entry::Command(run));
    }
    if let Some(run) = named(RUN) {
        return Err(Refusal::ComponentVersion(module::shortened(run)));
    }
    if let Some(ComponentEntityType::Func(id)) = types.component_item_for_export(HANDLE).map(|item| item.ty) {
        let found = function(types, id);
        return if found == HANDLE_TYPE {
            Ok(Entry::Handler)
        } else {
            Err(Refusal::Handle { found: module::shortened_to(&found, 300), expected: HANDLE_TYPE })
        };
    }
    if newest_http(component.exports.iter().map(String::as_str)).is_some() {
        return Ok(Entry::Http);
    }
    match [INCOMING_HANDLER, HTTP_HANDLER].into_iter().find_map(named) {
        Some(http) => Err(Refusal::ComponentVersion(module::shortened(http))),
        None => Err(Refusal::ComponentLibrary(component.exports.iter().map(|name| module::shortened(name)).collect())),
    }
}

/// Whether there is all that the component imports.
///
/// # Errors
/// What there is not.
pub(super) fn check_imports(component: &Component) -> Result<(), Refusal> {
    let missing: Vec<&String> = component.imports.iter().filter(|name| !is_there(component, name)).collect();
    if let Some(name) = missing.iter().find(|name| is_of_another_version(name)) {
        return Err(Refusal::ComponentVersion(module::shortened(name)));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::ComponentImports(missing.into_iter().map(|name| module::shortened(name)).collect()))
}

fn is_there(component: &Component, name: &str) -> bool {
    match component.types.as_ref().component_item_for_import(name).map(|item| item.ty) {
        // A name for a type that stands elsewhere.
        Some(ComponentEntityType::Type { referenced, .. }) => {
            !matches!(referenced, wasmparser::component_types::ComponentAnyTypeId::Resource(_))
        }
        Some(ComponentEntityType::Instance(_)) => Name::parse(name).is_some_and(Name::is_provided),
        _ => false,
    }
}

fn is_of_another_version(name: &str) -> bool {
    let Some(name) = Name::parse(name) else { return false };
    let known = |(package, _, interfaces): &(&str, &str, &[&str])| {
        name.package == *package && interfaces.contains(&name.interface)
    };
    PROVIDED.iter().any(known)
}

/// A function's type as WIT writes it, with all names of types resolved.
pub(super) fn function(types: TypesRef<'_>, id: ComponentFuncTypeId) -> String {
    let function = &types[id];
    let parameters: Vec<String> =
        function.params.iter().map(|(name, ty)| format!("{name}: {}", value(types, ty, DEPTH))).collect();
    let mut text = format!("{}func({})", if function.async_ { "async " } else { "" }, parameters.join(", "));
    if let Some(result) = &function.result {
        // Writing into a string can't fail.
        let _ = write!(text, " -> {}", value(types, result, DEPTH));
    }
    text
}

/// How deep a type is described: deeper than the one that is looked for.
const DEPTH: u32 = 6;

fn value(types: TypesRef<'_>, ty: &ComponentValType, depth: u32) -> String {
    let id = match ty {
        ComponentValType::Primitive(primitive) => return primitive.to_string(),
        ComponentValType::Type(id) => *id,
    };
    let inner = |ty: &ComponentValType| value(types, ty, depth - 1);
    let optional = |ty: &Option<ComponentValType>| ty.as_ref().map_or_else(|| "_".to_owned(), inner);
    if depth == 0 {
        return "…".to_owned();
    }
    match &types[id] {
        ComponentDefinedType::Primitive(primitive) => primitive.to_string(),
        ComponentDefinedType::Record(record) => {
            let fields: Vec<_> = record.fields.iter().map(|(name, ty)| format!("{name}: {}", inner(ty))).collect();
            format!("record {{ {} }}", fields.join(", "))
        }
        ComponentDefinedType::Enum(cases) => {
            format!("enum {{ {} }}", cases.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
        ComponentDefinedType::List { element, .. } => format!("list<{}>", inner(element)),
        ComponentDefinedType::Option { ty, .. } => format!("option<{}>", inner(ty)),
        ComponentDefinedType::Result { ok, err, .. } => format!("result<{}, {}>", optional(ok), optional(err)),
        ComponentDefinedType::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types.iter().map(inner).collect::<Vec<_>>().join(", "))
        }
        ComponentDefinedType::Variant(_) => "variant".to_owned(),
        ComponentDefinedType::Flags(_) => "flags".to_owned(),
        ComponentDefinedType::Map { .. } => "map".to_owned(),
        ComponentDefinedType::FixedLengthList { .. } => "list".to_owned(),
        ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => "resource".to_owned(),
        ComponentDefinedType::Future { .. } => "future".to_owned(),
        ComponentDefinedType::Stream { .. } => "stream".to_owned(),
    }
}
