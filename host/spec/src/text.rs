//! Text from elsewhere (names, paths, a guest's messages) made harmless for a terminal and a log line.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with every character that a reader would not see as itself written out, such as `\n` or `\u{1b}`.
/// The result is one line, and escaping it again changes nothing.
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            plain if is_plain(plain) => escaped.push(plain),
            // Writing to a String does not fail.
            hidden => drop(write!(escaped, "\\u{{{:x}}}", u32::from(hidden))),
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character shows as itself: no control character, nothing that turns the direction of writing
/// (Unicode Bidirectional Algorithm, UAX 9), takes no room, or breaks a line.
pub fn is_plain(character: char) -> bool {
    let hidden = character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' // soft hyphen, Arabic letter mark, separators of no width
            | '\u{200b}'..='\u{200f}' // no width; marks of direction
            | '\u{2028}'..='\u{202e}' // line and paragraph separators; embeddings and overrides
            | '\u{2060}'..='\u{206f}' // joiners, invisible operators, isolates
            | '\u{fff9}'..='\u{fffb}' // annotations between lines
            | '\u{e0000}'..='\u{e007f}'); // tags
    !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in ["", "hello.wasm", "/home/zoë/данные/図.wasm", "C:\\dir", "a'b\"c"] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn an_escape_sequence_does_not_reach_the_terminal() {
        assert_eq!(escape("a\x1b[2Jb\u{9b}31m\x07\x7f"), "a\\u{1b}[2Jb\\u{9b}31m\\u{7}\\u{7f}");
    }

    #[test]
    fn a_newline_makes_no_second_line() {
        assert_eq!(escape("ok\nsandhog: all is well\r\t\u{2028}"), "ok\\nsandhog: all is well\\r\\t\\u{2028}");
    }

    #[test]
    fn a_name_cannot_be_written_backwards() {
        assert_eq!(escape("exe\u{202e}gnp.\u{2066}\u{200b}"), "exe\\u{202e}gnp.\\u{2066}\\u{200b}");
    }

    #[test]
    fn escaping_twice_is_escaping_once() {
        for code in 0..0x11_0000 {
            let Some(character) = char::from_u32(code) else { continue };
            let text = character.to_string();
            let once = escape(&text).into_owned();
            assert_eq!(escape(&once), once);
            assert!(once.chars().all(is_plain));
        }
    }
}
