//! Text by the columns that it takes on a terminal: wide characters take two.

use ratatui::text::Span;
use sandhog_spec::text::escape;

/// Columns of a text without control characters.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text with spaces behind it, up to this width.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text with spaces before it.
pub fn pad_left(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text, cut to this width where it is longer; `…` says so.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut short, mut taken) = (String::new(), 0);
    for character in text.chars() {
        taken += width(character.encode_utf8(&mut [0; 4]));
        if taken + 1 > columns {
            break;
        }
        short.push(character);
    }
    if columns > 0 { short + "…" } else { short }
}

/// The text in rows of at most this width, broken wherever one is full.
pub fn broken(text: &str, columns: usize) -> Vec<String> {
    let (mut rows, mut row, mut taken) = (Vec::new(), String::new(), 0);
    for character in text.chars() {
        let wide = width(character.encode_utf8(&mut [0; 4]));
        if taken + wide > columns && !row.is_empty() {
            rows.push(std::mem::take(&mut row));
            taken = 0;
        }
        row.push(character);
        taken += wide;
    }
    rows.push(row);
    rows
}

/// A line of a guest's output, harmless: control characters written out, but tabs left as they are.
pub fn harmless(line: &str) -> String {
    let parts: Vec<_> = line.split('\t').map(escape).collect();
    parts.join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!((width("abc"), width("図書"), width("é")), (3, 4, 1));
        assert_eq!(pad("図", 4), "図  ");
        assert_eq!(pad_left("7", 3), "  7");
    }

    #[test]
    fn what_is_cut_says_so_and_never_exceeds_its_width() {
        assert_eq!(cut("worker", 6), "worker");
        assert_eq!(cut("worker", 4), "wor…");
        assert_eq!(cut("図書館", 4), "図…");
        assert_eq!(cut("worker", 0), "");
        for columns in 0..10 {
            assert!(width(&cut("a図b書c館", columns)) <= columns);
        }
    }

    #[test]
    fn what_is_broken_is_whole_and_fits() {
        assert_eq!(broken("abcde", 2), ["ab", "cd", "e"]);
        assert_eq!(broken("a図書", 3), ["a図", "書"]);
        assert_eq!(broken("", 3), [""]);
        for columns in 0..9 {
            let rows = broken("a図書bcd館ef", columns);
            assert_eq!(rows.concat(), "a図書bcd館ef");
            assert!(columns < 2 || rows.iter().all(|row| width(row) <= columns));
        }
    }

    #[test]
    fn a_tab_stays_and_an_escape_sequence_is_written_out() {
        assert_eq!(harmless("a\tb\x1b[2J\r"), "a\tb\\u{1b}[2J\\r");
    }
}
