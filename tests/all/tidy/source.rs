//! Reads sources as text: what is code in them, what is a test, which words stand where.
//!
//! Must not: know a rule. It is no parser: it knows comments, literals and brackets, which is all that the rules need.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

pub(super) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files below `folder`, named from the root, but for what is built and what git keeps.
pub(super) fn files(folder: &str) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("target" | ".git") => {}
                _ if path.is_dir() => folders.push(path),
                _ => found.push(name),
            }
        }
    }
    found.sort();
    found
}

/// A file of Rust, read for what it does and not for what it says.
pub(super) struct Source {
    pub(super) path: String,
    /// Without comments and without what stands in literals; lines stay where they are.
    pub(super) code: String,
    /// Without tests as well.
    pub(super) product: String,
}

/// The sources below these folders; a module that exists in tests only has no `product`.
pub(super) fn sources(folders: &[&str]) -> Vec<Source> {
    let paths = folders.iter().flat_map(|folder| files(folder)).filter(|path| path.ends_with(".rs"));
    let mut sources: Vec<Source> = paths
        .map(|path| {
            let code = without_text(&read(&path));
            Source { product: without_tests(&code), path, code }
        })
        .collect();
    let tests: BTreeSet<String> = sources.iter().flat_map(test_modules).collect();
    // A module of tests has modules of its own.
    let is_within =
        |path: &str| tests.iter().any(|test| path.starts_with(&format!("{}/", test.trim_end_matches(".rs"))));
    for source in sources.iter_mut().filter(|source| tests.contains(&source.path) || is_within(&source.path)) {
        source.product.clear();
    }
    sources
}

/// What stands before items that only tests have: tests of their own crate, or of others as well.
const TESTS: [&str; 2] = ["#[cfg(test)]", "#[cfg(any(test,"];

/// The files of modules that are declared for tests only.
fn test_modules(source: &Source) -> Vec<String> {
    let path = source.path.strip_suffix(".rs").unwrap();
    let folder = ["/mod", "/lib", "/main"].iter().find_map(|root| path.strip_suffix(root)).unwrap_or(path);
    let items = TESTS.iter().flat_map(|mark| source.code.split(mark).skip(1));
    let declared = items.filter_map(|item| item.split_once(';').filter(|(head, _)| !head.contains('{')));
    declared.filter_map(|(head, _)| Some(format!("{folder}/{}.rs", head.split_once("mod ")?.1.trim()))).collect()
}

/// Blanks comments and literals.
fn without_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut code, mut at) = (bytes.to_vec(), 0);
    while at < bytes.len() {
        let starts_word = at == 0 || !is_word(bytes[at - 1]) || (matches!(bytes[at - 1], b'b' | b'c'));
        let length = literal(&bytes[at..], starts_word);
        code[at..at + length].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at += length.max(1);
    }
    String::from_utf8(code).unwrap()
}

/// The length of the comment or literal that begins here, 0 where none does.
fn literal(text: &[u8], starts_word: bool) -> usize {
    let until = |end: &[u8], from: usize| {
        let found = text[from..].windows(end.len()).position(|window| window == end);
        found.map_or(text.len(), |position| from + position + end.len())
    };
    match text {
        [b'/', b'/', ..] => until(b"\n", 0),
        [b'/', b'*', ..] => until(b"*/", 2),
        [b'"', ..] => {
            let mut end = 1;
            while text[end] != b'"' {
                end += if text[end] == b'\\' { 2 } else { 1 };
            }
            end + 1
        }
        [b'\'', b'\\', ..] => until(b"'", 3),
        [b'\'', first, ..] => {
            let width = if first.is_ascii() { 1 } else { text[1..].iter().position(|byte| *byte == b'\'').unwrap() };
            if text.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        [b'r', rest @ ..] if starts_word => {
            let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
            let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            if rest.get(hashes) == Some(&b'"') { until(&end, hashes + 2) } else { 0 }
        }
        _ => 0,
    }
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Blanks every item that only tests have.
pub(super) fn without_tests(code: &str) -> String {
    let mut product = code.to_owned();
    while let Some(start) = TESTS.iter().find_map(|mark| product.find(mark)) {
        let end = start + end_of_item(&product[start + 1..]) + 1;
        let blank = product[start..end].replace(|letter| letter != '\n', " ");
        product.replace_range(start..end, &blank);
    }
    product
}

/// Where the item that begins here ends: behind its body, or its semicolon; the last field of something where that ends.
pub(super) fn end_of_item(code: &str) -> usize {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (position, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => braces += 1,
            b'}' if braces == 1 && brackets == 0 => return position + 1,
            b'}' if braces == 0 => return position,
            b'}' => braces -= 1,
            b'(' | b'[' => brackets += 1,
            // The bracket of an attribute is cut in half where its item begins.
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b';' if braces == 0 && brackets == 0 => return position + 1,
            _ => {}
        }
    }
    code.len()
}

/// Where the code has this word, by line from 1 on.
pub(super) fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let has = |line: &str| {
        line.match_indices(word).any(|(position, _)| {
            let before = line[..position].bytes().next_back();
            let after = line[position + word.len()..].bytes().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    };
    code.lines().enumerate().filter(|(_, line)| has(line)).map(|(number, _)| number + 1).collect()
}

/// The names behind a prefix: `crate::spawn` gives `spawn` for `crate::`.
pub(super) fn names_behind<'c>(code: &'c str, prefix: &str) -> Vec<&'c str> {
    let name = |text: &'c str| &text[..text.bytes().take_while(|byte| is_word(*byte)).count()];
    code.split(prefix).skip(1).map(name).collect()
}
