//! The reference of the manifest for people, in Markdown.

use super::sentences::{ABOUT, bounds, change, flag, sections, takes, told, usual};
use crate::setting::{Setting, Top};

pub fn markdown() -> String {
    let mut text = format!("# sandhog.toml\n\n{ABOUT}\n\n## The manifest\n");
    for top in Top::ALL {
        text.push_str(&format!("\n### `{}`\n\n{}.\n", top.title(), top.about()));
    }
    for (heading, settings) in sections() {
        text.push_str(&format!("\n## {heading}\n"));
        settings.into_iter().for_each(|setting| text.push_str(&section(setting)));
    }
    text
}

fn section(setting: Setting) -> String {
    let facts = setting.facts();
    let mut text = format!("\n### `{}`\n\n{}\n\n", setting.key(), told(setting));
    text.push_str(&format!("- Takes {}; for example `{}`\n", takes(setting), setting.example()));
    if let Some(bounds) = bounds(setting) {
        text.push_str(&format!("- Bounds: {bounds}\n"));
    }
    text.push_str(&format!("- Default: {}\n- Flag: `{}`\n", usual(setting), flag(setting)));
    if facts.is_own {
        text.push_str("- Of one job: not in `[defaults]`\n");
    }
    if let Some(with) = &facts.with {
        let keys: Vec<_> = with.settings.iter().map(|other| format!("`{}`", other.key())).collect();
        text.push_str(&format!("- Only with {}\n", keys.join(" or ")));
    }
    text.push_str(&format!("- A change {}\n", change(setting)));
    text
}
