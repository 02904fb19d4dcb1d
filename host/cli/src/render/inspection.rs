//! What a module is and needs, for people and for tools.

use sandhog_protocol::inspect::{Form, Inspection, Item, Memory, Need, World};
use sandhog_spec::text::{escape, is_plain};
use sandhog_spec::units::print_size;
use std::fmt::Write;

/// Imports and exports that people are shown; `--json` has more.
const SHOWN: usize = 20;

/// In lines.
pub fn text(module: &Inspection) -> String {
    let mut lines = vec![("what", what(module))];
    if let Some(reason) = &module.refused {
        lines.push(("refused", reason.clone()));
    }
    lines.extend(module.memories.iter().map(|memory| ("memory", memory_in_words(memory))));
    lines.extend(module.needs.iter().map(|need| ("needs", need_in_words(need))));
    lines.extend(listed("imports", &module.imports));
    lines.extend(listed("exports", &module.exports));
    let mut text = String::new();
    for (name, line) in lines {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name:8} {}", escape(&line));
    }
    text
}

fn what(module: &Inspection) -> String {
    let form = match module.form {
        Form::CoreModule => "a core module",
        Form::CoreModuleWithComponentType => "a core module that is made a component on the way",
        Form::Component => "a component",
    };
    let world = match module.world {
        Some(World::Command) => "a program (world command)",
        Some(World::Handler) => "a handler, which answers tasks (world handler)",
        Some(World::Http) => "a server of HTTP, which answers requests (world http)",
        None => "nothing that can be run",
    };
    let text = if module.text { ", in text" } else { "" };
    let wasi = if module.wasi.is_empty() { String::new() } else { format!(", WASI {}", module.wasi.join(" and ")) };
    format!("{form}: {world}{wasi}, {}{text}", print_size(module.bytes))
}

fn memory_in_words(memory: &Memory) -> String {
    let max = memory.maximum_bytes.map_or_else(|| "as much as it is granted".into(), print_size);
    let shared = if memory.shared { ", shared" } else { "" };
    format!("{} at first, at most {max}{shared}", print_size(memory.initial_bytes))
}

fn need_in_words(need: &Need) -> String {
    match &need.flag {
        Some(flag) => format!("{flag}: {}", need.reason),
        None => format!("nothing that can be granted: {}", need.reason),
    }
}

fn listed<'a>(name: &'a str, items: &'a [Item]) -> impl Iterator<Item = (&'a str, String)> {
    let more = items.len().saturating_sub(SHOWN);
    let shown = items.iter().take(SHOWN).map(move |item| (name, format!("{}: {}", visible(&item.name), item.kind)));
    shown.chain((more > 0).then(|| (name, format!("and {more} more (--json shows them)"))))
}

/// A name that is empty, as that of a reactor's program, is shown as a string.
fn visible(name: &str) -> &str {
    if name.is_empty() { "\"\"" } else { name }
}

/// As one line of JSON in which every character shows as itself.
///
/// # Errors
/// None that plain data can cause.
pub fn json(module: &Inspection) -> Result<String, serde_json::Error> {
    let mut line = String::new();
    for character in serde_json::to_string(module)?.chars() {
        if is_plain(character) {
            line.push(character);
        } else {
            // Outside of strings JSON has no such character.
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::shows;

    fn module() -> Inspection {
        Inspection {
            form: Form::Component,
            text: false,
            bytes: 2048,
            component_bytes: None,
            world: Some(World::Command),
            wasi: vec!["0.2".into()],
            refused: None,
            needs: vec![Need { flag: Some("--dir HOST::GUEST".into()), reason: "it can open files".into() }],
            imports: vec![Item { name: "wasi:io/\u{202e}x\n".into(), kind: "interface".into() }; SHOWN + 3],
            exports: Vec::new(),
            memories: vec![Memory { initial_bytes: 65_536, maximum_bytes: None, shared: false }],
            start: false,
            omitted: 0,
        }
    }

    #[test]
    fn people_read_what_it_is_and_what_it_needs() {
        shows("inspect", &text(&module()));
    }

    #[test]
    fn nothing_in_the_json_hides() {
        let line = json(&module()).unwrap();
        assert!(line.trim_end().chars().all(is_plain));
        let read: Inspection = serde_json::from_str(&line).unwrap();
        assert_eq!(read, module());
    }
}
