//! What a module is and needs, without running or compiling anything of it. Pure: bytes in, a description out.

use super::{
    componentize,
    module::{self, shortened_to},
    refusal::Refusal,
    validate::in_binary_form,
    world::{self, Entry},
};
use sandhog_engine::interfaces::Name;
use sandhog_protocol::inspect::{Form, ITEMS, Inspection, Item, Memory, NAME, Need, TYPE, World};
use std::collections::BTreeSet;
use wasmparser::{MemoryType, Parser, Payload, Validator, WasmFeatures, component_types::ComponentEntityType};

/// The size of a page, in bytes, where a memory names none of its own.
const PAGE: u64 = 1 << 16;

/// What `sandhog run` gives without `--memory`, in bytes.
const DEFAULT_MEMORY: u64 = 512 << 20;

/// Describes the module in `bytes`.
///
/// # Errors
/// Where it is no module at all.
pub(super) fn inspect(bytes: Vec<u8>) -> Result<Inspection, Refusal> {
    let length = bytes.len() as u64;
    let text = matches!(module::form(&bytes)?, module::Form::Text);
    let (bytes, form) = in_binary_form(bytes)?;
    let mut inspection = match form {
        module::Form::Component => of_component(&bytes, Form::Component),
        module::Form::Module | module::Form::Text if componentize::carries_a_type(&bytes) => of_typed(&bytes),
        module::Form::Module | module::Form::Text => of_module(&bytes),
    };
    (inspection.text, inspection.bytes) = (text, length);
    Ok(inspection)
}

/// Nothing is known but the form.
fn empty(form: Form) -> Inspection {
    Inspection {
        form,
        text: false,
        bytes: 0,
        component_bytes: None,
        world: None,
        wasi: Vec::new(),
        refused: None,
        needs: Vec::new(),
        imports: Vec::new(),
        exports: Vec::new(),
        memories: Vec::new(),
        start: false,
        omitted: 0,
    }
}

fn of_typed(bytes: &[u8]) -> Inspection {
    let form = Form::CoreModuleWithComponentType;
    match module::validate(bytes).and_then(|_| componentize::component(bytes)) {
        Ok(component) => {
            let mut made = of_component(&component, form);
            // The adapter imports files and more, whether or not the module asks for them.
            let own = of_module(bytes).needs;
            made.needs.retain(|need| !OF_WASI.contains(&need.reason.as_str()) || own.contains(need));
            Inspection { component_bytes: Some(component.len() as u64), ..made }
        }
        Err(refusal) => Inspection { refused: Some(refusal.to_string()), form, ..of_module(bytes) },
    }
}

fn of_component(bytes: &[u8], form: Form) -> Inspection {
    let component = match world::parse(bytes) {
        Ok(component) => component,
        Err(refusal) => return Inspection { refused: Some(refusal.to_string()), ..empty(form) },
    };
    let types = component.types.as_ref();
    let item = |name: &String, ty: Option<ComponentEntityType>| Item {
        name: shortened_to(name, NAME),
        kind: match ty {
            Some(ComponentEntityType::Func(id)) => shortened_to(&world::function(types, id), TYPE),
            Some(ComponentEntityType::Instance(_)) => "interface".to_owned(),
            Some(ComponentEntityType::Type { .. }) => "type".to_owned(),
            Some(ComponentEntityType::Component(_)) => "component".to_owned(),
            Some(ComponentEntityType::Module(_)) => "module".to_owned(),
            Some(ComponentEntityType::Value(_)) | None => "value".to_owned(),
        },
    };
    let imported = |name: &String| item(name, types.component_item_for_import(name).map(|item| item.ty));
    let exported = |name: &String| item(name, types.component_item_for_export(name).map(|item| item.ty));
    let entry = world::entry(&component);
    let world = entry.as_ref().ok().map(|entry| match entry {
        Entry::Command(_) => World::Command,
        Entry::Handler => World::Handler,
        Entry::Http => World::Http,
    });
    let refused = entry.and_then(|_| world::check_imports(&component)).err();
    let memories = memories(bytes);
    let names = || component.imports.iter().chain(&component.exports);
    Inspection {
        world,
        wasi: versions(names().filter_map(|name| Name::parse(name))),
        refused: refused.map(|refusal| refusal.to_string()),
        needs: needs_of_component(&component, world, &memories),
        omitted: omitted(&[component.imports.len(), component.exports.len(), memories.len()]),
        imports: component.imports.iter().take(ITEMS).map(imported).collect(),
        exports: component.exports.iter().take(ITEMS).map(exported).collect(),
        memories: memories.into_iter().take(ITEMS).collect(),
        ..empty(form)
    }
}

fn versions<'a>(names: impl Iterator<Item = Name<'a>>) -> Vec<String> {
    let wasi = names.filter(|name| name.package.starts_with("wasi:"));
    let series = wasi.filter_map(|name| name.version.match_indices('.').nth(1).map(|(end, _)| &name.version[..end]));
    series.collect::<BTreeSet<_>>().into_iter().map(|series| shortened_to(series, NAME)).collect()
}

fn needs_of_component(component: &world::Component, world: Option<World>, memories: &[Memory]) -> Vec<Need> {
    let imports = &component.imports;
    let of = |package: &str, interface: &str| {
        imports
            .iter()
            .filter_map(|name| Name::parse(name))
            .any(|name| name.package == package && (interface.is_empty() || name.interface == interface))
    };
    let asked = [
        of("wasi:filesystem", ""),
        of("wasi:cli", "environment"),
        of("wasi:sockets", ""),
        of("wasi:http", "outgoing-handler") || of("wasi:http", "client"),
        uses_sockets(component),
        of("sandhog:job", "children"),
        world == Some(World::Handler) || of("sandhog:job", "channel"),
        world == Some(World::Http),
    ];
    needs(asked, memories)
}

/// Whether it can do something with sockets of ours. Their types alone are imported by whoever waits for any of several things.
fn uses_sockets(component: &world::Component) -> bool {
    let types = component.types.as_ref();
    let is_ours = |name: &&String| {
        Name::parse(name).is_some_and(|name| name.package == "sandhog:job" && name.interface == "sockets")
    };
    let Some(name) = component.imports.iter().find(is_ours) else { return false };
    match types.component_item_for_import(name).map(|item| item.ty) {
        Some(ComponentEntityType::Instance(id)) => {
            types[id].exports.values().any(|item| matches!(item.ty, ComponentEntityType::Func(_)))
        }
        Some(_) | None => false,
    }
}

/// What the imports of WASI are good for.
const OF_WASI: [&str; 4] = [
    "it can open files",
    "it can read its environment",
    "it can ask for sockets, which it is denied: there is no network",
    "it can send HTTP requests, each of which is denied: there is no network",
];

/// What each of seven imports is good for, in this order: files, environment, network, HTTP, sockets that are given, children, a
/// connection; and at the end what a server of HTTP needs.
fn needs(asked: [bool; 8], memories: &[Memory]) -> Vec<Need> {
    let need = |flag: Option<&str>, reason: &str| Need { flag: flag.map(str::to_owned), reason: reason.to_owned() };
    let all = [
        need(Some("--dir HOST::GUEST"), OF_WASI[0]),
        need(Some("--env NAME=VALUE"), OF_WASI[1]),
        need(None, OF_WASI[2]),
        need(None, OF_WASI[3]),
        need(
            Some("--net listen:ADDRESS:PORT"),
            "it can accept clients where it is granted to listen, or use sockets of others",
        ),
        need(Some("--child NAME=FILE"), "it can start other jobs"),
        need(Some("--ipc"), "it can exchange messages with whoever started it"),
        need(Some("--listen ADDRESS:PORT"), "it answers requests of HTTP: use sandhog serve"),
    ];
    let mut needs: Vec<Need> = all.into_iter().zip(asked).filter(|(_, asked)| *asked).map(|(need, _)| need).collect();
    let initial = memories.iter().fold(0_u64, |sum, memory| sum.saturating_add(memory.initial_bytes));
    if initial > DEFAULT_MEMORY {
        needs.push(need(Some("--memory SIZE"), &format!("it begins with {} MiB of memory", initial >> 20)));
    }
    needs
}

/// A core module; also one that can't be run, as far as it can be read with all that was ever proposed.
fn of_module(bytes: &[u8]) -> Inspection {
    let refused = module::check(bytes).err().map(|refusal| refusal.to_string());
    let Ok(types) = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes) else {
        return Inspection { refused, ..empty(Form::CoreModule) };
    };
    let types = types.as_ref();
    let mut imports = Vec::new();
    for (from, name, entity) in types.core_imports().into_iter().flatten() {
        let name = shortened_to(&format!("{from}.{name}"), NAME);
        imports.push(Item { name, kind: shortened_to(&module::entity(&types, entity), TYPE) });
    }
    let exports: Vec<Item> = types
        .core_exports()
        .into_iter()
        .flatten()
        .map(|(name, entity)| Item {
            name: shortened_to(name, NAME),
            kind: shortened_to(&module::entity(&types, entity), TYPE),
        })
        .collect();
    let memories = memories(bytes);
    let wasi = |name: &str| imports.iter().any(|item| item.name.starts_with(&format!("wasi_snapshot_preview1.{name}")));
    let asked = [wasi("path_"), wasi("environ_"), false, false, wasi("sock_"), false, false, false];
    Inspection {
        world: refused.is_none().then_some(World::Command),
        wasi: if wasi("") { vec!["0.1".to_owned()] } else { Vec::new() },
        refused,
        needs: needs(asked, &memories),
        start: module::has_start_section(bytes),
        omitted: omitted(&[imports.len(), exports.len(), memories.len()]),
        imports: imports.into_iter().take(ITEMS).collect(),
        exports: exports.into_iter().take(ITEMS).collect(),
        memories: memories.into_iter().take(ITEMS).collect(),
        ..empty(Form::CoreModule)
    }
}

fn omitted(lengths: &[usize]) -> u64 {
    lengths.iter().map(|length| length.saturating_sub(ITEMS) as u64).sum()
}

/// Of a module and of all modules inside of a component, imported ones as well.
fn memories(bytes: &[u8]) -> Vec<Memory> {
    let mut memories = Vec::new();
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        if let Payload::MemorySection(section) = payload {
            memories.extend(section.into_iter().flatten().map(|memory| described(&memory)));
        }
    }
    memories
}

fn described(memory: &MemoryType) -> Memory {
    let page = memory.page_size_log2.map_or(PAGE, |log| 1_u64.checked_shl(log).unwrap_or(PAGE));
    Memory {
        initial_bytes: memory.initial.saturating_mul(page),
        maximum_bytes: memory.maximum.map(|pages| pages.saturating_mul(page)),
        shared: memory.shared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Inspection {
        inspect(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_command_of_wasi_0_1_is_told_with_what_it_may_want() {
        let found = of(r#"(module
            (import "wasi_snapshot_preview1" "path_open"
                (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (memory (export "memory") 2 3) (func (export "_start")))"#);
        assert_eq!((found.form, found.world, found.text), (Form::CoreModule, Some(World::Command), true));
        assert_eq!((found.wasi, found.refused), (vec!["0.1".to_owned()], None));
        assert_eq!(found.needs[0].flag.as_deref(), Some("--dir HOST::GUEST"));
        let memory = Memory { initial_bytes: 131_072, maximum_bytes: Some(196_608), shared: false };
        assert_eq!(found.memories, [memory]);
        let kinds: Vec<_> = found.exports.iter().map(|item| (item.name.as_str(), item.kind.as_str())).collect();
        assert_eq!(kinds, [("memory", "memory"), ("_start", "() -> ()")]);
    }

    #[test]
    fn what_would_be_refused_is_told_all_the_same() {
        let found = of("(module (memory 1 2 shared) (func (export \"_start\")))");
        assert!(found.refused.unwrap().contains("threads"));
        assert!(found.memories[0].shared);
        let found = of("(component (import \"wasi:http/types@0.2.0\" (instance)))");
        assert_eq!((found.form, found.world), (Form::Component, None));
        assert_eq!(found.imports[0].kind, "interface");
        assert!(found.refused.unwrap().contains("nothing to start"));
    }

    #[test]
    fn a_list_is_cut_with_a_count() {
        let exports: String = (0..ITEMS + 7).map(|number| format!("(func (export \"f{number}\"))")).collect();
        let found = of(&format!("(module {exports})"));
        assert_eq!((found.exports.len(), found.omitted), (ITEMS, 7));
    }

    #[test]
    fn the_largest_description_fits_into_a_frame() {
        let name = "\u{1}".repeat(NAME);
        let item = Item { name: name.clone(), kind: "\u{1}".repeat(TYPE) };
        let all = Inspection {
            imports: vec![item.clone(); ITEMS],
            exports: vec![item; ITEMS],
            memories: vec![Memory { initial_bytes: u64::MAX, maximum_bytes: Some(u64::MAX), shared: false }; ITEMS],
            ..empty(Form::Component)
        };
        // Each control character becomes six.
        assert!(serde_json::to_string(&all).unwrap().len() < sandhog_protocol::limits::FRAME);
    }
}
