//! Sections of a core module as bytes: where one lies, and how lengths are written.
//!
//! Must not: know what is changed in one.

use std::ops::Range;
use wasmparser::BinaryReader;

/// Ids of sections: the core specification, "Binary format", "Sections".
pub(super) const CUSTOM: u8 = 0;
pub(super) const IMPORT: u8 = 2;
pub(super) const EXPORT: u8 = 7;

/// Where the first such section lies, header and all, and its contents. `is_it` is asked by the name of custom sections.
pub(super) fn section(bytes: &[u8], id: u8, is_it: impl Fn(&str) -> bool) -> Option<(Range<usize>, &[u8])> {
    let mut reader = BinaryReader::new(bytes, 0);
    reader.read_bytes(8).ok()?;
    loop {
        let start = reader.original_position();
        let found = reader.read_u8().ok()?;
        let length = reader.read_var_u32().ok()? as usize;
        let contents = reader.read_bytes(length).ok()?;
        let named = found != CUSTOM || BinaryReader::new(contents, 0).read_string().is_ok_and(&is_it);
        if found == id && named {
            return Some((start..reader.original_position(), contents));
        }
    }
}

/// An unsigned number as WebAssembly writes it.
pub(super) fn leb128(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let [low, ..] = (number & 0x7f).to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}
