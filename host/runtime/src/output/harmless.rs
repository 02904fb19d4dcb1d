//! A guest's output, made harmless for a terminal. Text, newline, tab, carriage return, backspace and colours pass. Every
//! other control character is shown and not executed.
//!
//! A colour is a CSI sequence of SGR (ECMA-48, 8.3.117): ESC `[`, digits with `;` and `:` between them, `m`. Everything else
//! that begins with ESC could move the cursor, set the title, ask the terminal for an answer, or write into the clipboard.

use sandhog_spec::text::{escape, is_plain};
use std::fmt::Write;

/// Longest sequence of a colour that passes, in bytes; more than 16 numbers is nothing that programs write.
const LONGEST: usize = 64;

const ESC: u8 = 0x1b;

/// A filter that goes through one stream.
#[derive(Default)]
pub(crate) struct Harmless {
    /// The begin of a character or of a sequence that has not come to its end.
    held: Vec<u8>,
    /// It has set a colour and not taken it back.
    is_coloured: bool,
}

/// What some bytes begin with.
enum Token {
    /// This many bytes, which pass.
    Plain(usize),
    /// This many bytes, which set a colour.
    Colour(usize),
    /// A character of this many bytes that is shown.
    Hidden(char, usize),
    /// One byte that is no text.
    Broken(u8),
    /// Not known yet.
    Unfinished,
}

impl Harmless {
    /// What is to be written of these bytes, and of what was held back before them.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.held);
        rest.extend_from_slice(bytes);
        let mut shown = Vec::with_capacity(rest.len());
        let taken = self.take(&rest, &mut shown);
        self.held = rest.split_off(taken);
        shown
    }

    /// What is to be written when nothing more comes.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut shown = String::new();
        for byte in self.held.drain(..) {
            show_byte(&mut shown, byte);
        }
        if std::mem::take(&mut self.is_coloured) {
            shown.push_str("\x1b[0m");
        }
        shown.into_bytes()
    }

    /// Goes on until nothing is left or the rest is unfinished; how many bytes that were.
    fn take(&mut self, bytes: &[u8], shown: &mut Vec<u8>) -> usize {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            taken += match token(rest) {
                Token::Unfinished => return taken,
                Token::Plain(length) => {
                    shown.extend_from_slice(&rest[..length]);
                    length
                }
                Token::Colour(length) => {
                    shown.extend_from_slice(&rest[..length]);
                    self.is_coloured = rest[2..length - 1].iter().any(|byte| (b'1'..=b'9').contains(byte));
                    length
                }
                Token::Hidden(character, length) => {
                    shown.extend_from_slice(written_out(character).as_bytes());
                    length
                }
                Token::Broken(byte) => {
                    let mut text = String::new();
                    show_byte(&mut text, byte);
                    shown.extend_from_slice(text.as_bytes());
                    1
                }
            };
        }
        taken
    }
}

/// `bytes` are not empty.
fn token(bytes: &[u8]) -> Token {
    let plain = bytes.iter().take_while(|byte| passes(**byte)).count();
    match bytes.first() {
        Some(_) if plain > 0 => Token::Plain(plain),
        Some(&ESC) => sequence(bytes),
        Some(byte) if byte.is_ascii() => Token::Hidden(char::from(*byte), 1),
        Some(_) | None => character(bytes),
    }
}

/// ASCII that passes: what shows as itself, and what moves the cursor within its line or to the next one.
fn passes(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\t' | b'\r' | 0x08)
}

/// What begins with ESC.
fn sequence(bytes: &[u8]) -> Token {
    let hidden = Token::Hidden(char::from(ESC), 1);
    match bytes.get(1) {
        None => return Token::Unfinished,
        Some(b'[') => {}
        Some(_) => return hidden,
    }
    let numbers = bytes[2..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')).count();
    match bytes.get(2 + numbers) {
        _ if numbers > LONGEST => hidden,
        None => Token::Unfinished,
        Some(b'm') => Token::Colour(numbers + 3),
        Some(_) => hidden,
    }
}

/// What begins with a byte above ASCII: a character of UTF-8, or none.
fn character(bytes: &[u8]) -> Token {
    // The longest character has four bytes.
    let head = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => match (error.valid_up_to(), error.error_len()) {
            (0, None) => return Token::Unfinished,
            (0, Some(_)) => return Token::Broken(head[0]),
            (length, _) => std::str::from_utf8(&head[..length]).unwrap_or_default(),
        },
    };
    match valid.chars().next() {
        Some(character) if is_harmless(character) => Token::Plain(character.len_utf8()),
        Some(character) => Token::Hidden(character, character.len_utf8()),
        None => Token::Broken(head[0]),
    }
}

/// What joins or parts letters and pictures belongs to text: Arabic scripts and emoji need it.
fn is_harmless(character: char) -> bool {
    is_plain(character) || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

fn written_out(character: char) -> String {
    escape(character.encode_utf8(&mut [0; 4])).into_owned()
}

fn show_byte(text: &mut String, byte: u8) {
    if byte == ESC {
        text.push_str(&written_out(char::from(ESC)));
    } else if passes(byte) {
        text.push(char::from(byte));
    } else {
        // Writing to a String does not fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything at once, and byte by byte: it must not matter how it comes.
    fn shown(bytes: &[u8]) -> String {
        let (mut once, mut slowly) = (Harmless::default(), Harmless::default());
        let mut whole = once.pass(bytes);
        whole.extend(once.finish());
        let mut parts: Vec<u8> = bytes.iter().flat_map(|byte| slowly.pass(&[*byte])).collect();
        parts.extend(slowly.finish());
        assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(&parts));
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn text_passes_as_it_is() {
        for text in ["", "a\tb\r\n", "12%\x08\x08\x0813%", "zoë 图 👩\u{200d}🔬 نمی\u{200c}خواهم", "\u{ad}\u{feff}"]
        {
            assert_eq!(shown(text.as_bytes()), text);
        }
    }

    #[test]
    fn colours_pass_and_are_taken_back_at_the_end() {
        assert_eq!(shown(b"\x1b[1;31mred\x1b[0m"), "\x1b[1;31mred\x1b[0m");
        assert_eq!(shown(b"\x1b[38:2::1:2:3mred\x1b[m"), "\x1b[38:2::1:2:3mred\x1b[m");
        assert_eq!(shown(b"\x1b[31mred"), "\x1b[31mred\x1b[0m");
    }

    #[test]
    fn no_other_sequence_reaches_the_terminal() {
        let sequences: [&[u8]; 14] = [
            b"\x1b[2J",
            b"\x1b[H",
            b"\x1b]0;title\x07",
            b"\x1b]52;c;aGk=\x1b\\",
            b"\x1b[6n",
            b"\x1b[?1049h",
            b"\x1b[>4;1m",
            b"\x1bc",
            b"\x1bP+q\x1b\\",
            b"\x1b[31",
            b"\x1b",
            "\u{9b}2J\u{9d}0;title\u{9c}".as_bytes(),
            b"\x9b2J",
            b"\x0e\x0f\x05\x07\x0b\x0c\x7f\x00",
        ];
        for sequence in sequences {
            let text = shown(sequence);
            assert!(!text.chars().any(char::is_control), "{text:?} of {sequence:?}");
        }
        assert_eq!(shown(b"a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(shown(b"\x07"), "\\u{7}");
        assert_eq!(shown(b"\x9b2J"), "\\x9b2J");
    }

    #[test]
    fn nothing_turns_the_direction_of_writing() {
        assert_eq!(shown("exe\u{202e}gnp\u{2066}".as_bytes()), "exe\\u{202e}gnp\\u{2066}");
    }

    #[test]
    fn a_sequence_without_end_is_not_kept() {
        let mut harmless = Harmless::default();
        harmless.pass(b"\x1b[");
        for _ in 0..1000 {
            harmless.pass(b"1;");
        }
        assert!(harmless.held.len() <= LONGEST + 2);
    }

    /// Deterministic bytes without a pattern (xorshift).
    #[test]
    fn whatever_comes_only_text_and_colours_go_out() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..300)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    [ESC, b'[', b'm', b'1', b';', 0xc2, 0x9b, state as u8][(state >> 32) as usize % 8]
                })
                .collect();
            let text = shown(&bytes);
            let mut rest = text.as_str();
            while let Some(at) = rest.find('\x1b') {
                rest = &rest[at + 1..];
                let numbers = rest
                    .strip_prefix('[')
                    .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
                assert!(numbers.is_some_and(|after| after.starts_with('m')), "{text:?}");
            }
            assert!(text.chars().all(|c| !c.is_control() || "\n\t\r\x08\x1b".contains(c)), "{text:?}");
        }
    }
}
