//! `sandhog schema`: what can stand in a manifest, for editors and for people.

use super::args::SchemaArgs;
use super::render;
use sandhog_spec::reference;

/// Prints the document that was asked for; returns the exit code.
pub(super) fn run(args: SchemaArgs) -> u8 {
    let SchemaArgs { reference, man, sample } = args;
    let text = match (reference, man, sample) {
        (true, ..) => reference::markdown(),
        (_, true, _) => reference::man(),
        (.., true) => reference::sample(),
        (false, false, false) => format!("{:#}\n", reference::schema()),
    };
    render::answer(text.as_bytes())
}
