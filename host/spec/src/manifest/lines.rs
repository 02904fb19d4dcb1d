//! From an offset in a text to a line and a column.

use super::fault::Fault;

#[derive(Debug)]
pub(super) struct Lines {
    text: Box<str>,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text: text.into(), starts: [0].into_iter().chain(breaks).collect() }
    }

    pub(super) fn fault(&self, offset: usize, text: String) -> Fault {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.number(offset);
        let start = self.starts[line - 1];
        Fault { line, column: self.text[start..offset].chars().count() + 1, text }
    }

    /// Of the line with this offset; from 1.
    pub(super) fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// A line without its end.
    pub(super) fn line(&self, number: usize) -> &str {
        let end = self.starts.get(number).copied().unwrap_or(self.text.len());
        self.text[self.starts[number - 1]..end].trim_end()
    }

    /// Lines that begin a table, from the first.
    pub(super) fn headers(&self) -> Vec<usize> {
        let begins =
            |number: &usize| self.text[self.starts[number - 1]..].trim_start_matches([' ', '\t']).starts_with('[');
        (1..=self.starts.len()).filter(begins).collect()
    }

    pub(super) fn part(&self, range: std::ops::Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }
}
