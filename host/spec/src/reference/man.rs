//! The manual page `sandhog.toml(5)`, in roff.
//! Source: man(7), groff_man(7).

use super::sentences::{ABOUT, bounds, change, flag, sections, takes, told, usual};
use crate::setting::{Setting, Top};

pub fn man() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(
        ".TH SANDHOG.TOML 5 \"\" \"sandhog {version}\" \"File formats\"\n\
         .SH NAME\nsandhog.toml \\- jobs that sandhog keeps up\n.SH DESCRIPTION\n{}\n.SH THE MANIFEST\n",
        plain(ABOUT)
    );
    for top in Top::ALL {
        page.push_str(&format!(".TP\n.B {}\n{}.\n", plain(top.title()), plain(top.about())));
    }
    for (heading, settings) in sections() {
        page.push_str(&format!(".SH {}\n", plain(&heading.to_uppercase())));
        settings.into_iter().for_each(|setting| page.push_str(&paragraph(setting)));
    }
    page.push_str(".SH SEE ALSO\n.BR sandhog (1)\n");
    page
}

fn paragraph(setting: Setting) -> String {
    let bounds = bounds(setting).map_or_else(String::new, |bounds| format!(", {bounds}"));
    let own = if setting.facts().is_own { " Not in [defaults]." } else { "" };
    let lines = [
        format!("{}{own}", told(setting)),
        format!("Takes {}{bounds}; for example {}.", takes(setting), setting.example()),
        format!("Default: {}.", usual(setting)),
        format!("Flag: {}.", flag(setting)),
        format!("A change {}.", change(setting)),
    ];
    let lines: Vec<_> = lines.iter().map(|line| plain(line)).collect();
    format!(".TP\n.B {}\n{}\n", plain(setting.key()), lines.join("\n.br\n"))
}

/// Text in which roff finds no request, no escape, and no dash that is not the one of the keyboard.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('`', "");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
