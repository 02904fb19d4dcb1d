//! A message as one line of JSON, and back. Nothing is lost on the way, or it is refused:
//!
//! | message | JSON |
//! | --- | --- |
//! | format bytes | `{"$bytes":"BASE64"}` |
//! | format failure | `{"$failure":"TEXT"}` |
//! | format value | the value |
//! | nil, bool, text, array | null, true and false, string, array |
//! | integer | number without a point, up to 64 bits |
//! | float | number with a point or an exponent; NaN and infinity: `{"$float":"nan"}`, `"inf"`, `"-inf"` |
//! | map | object; with keys that are no text, or one key alone that begins with `$`: `{"$map":[[KEY,VALUE],…]}` |
//! | bin | `{"$bytes":"BASE64"}`; where it is all of a value: `{"$value":{"$bytes":"BASE64"}}` |
//! | ext | `{"$ext":[TYPE,"BASE64"]}` |
//!
//! An object with one key alone that begins with `$` and is none of these is refused; so are texts that are not UTF-8,
//! and nesting beyond [`NESTING`](crate::value::NESTING) levels. A number with a point comes in as a float of 64 bits, and so does one that
//! 64 bits can't hold.

mod pack;
mod read;
mod say;

#[cfg(test)]
use super::value::NESTING;
pub use read::{Error, read};
pub use say::{Sayable, say};
/// What is wrong with a text that is no JSON: it knows its line and column.
pub use serde_json::Error as Syntax;

/// A text as the value of a message.
///
/// # Errors
/// It has more than 4 GiB.
pub fn text(text: &str) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(text.len() + 5);
    pack::put_text(&mut out, text)?;
    Ok(out)
}

/// The text that a value is; None where it is none, or something follows it.
#[must_use]
pub fn as_text(value: &[u8]) -> Option<&str> {
    let mut reader = super::value::Reader(value);
    match reader.item() {
        Ok(super::value::Item::Text(text)) if reader.0.is_empty() => Some(text),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
