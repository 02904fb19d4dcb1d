//! How documents are written: the subject of a sentence is a thing that does something, and comes first.
//!
//! Must not: judge the content of a document, or read its code.

use super::source::read;
use super::{assert_none, documents};

/// Words that begin a clause. A sentence that begins with one has that clause as its subject.
const CLAUSES: [&str; 4] = ["What", "Who", "Whoever", "Whatever"];

/// The number of such sentences that a document may still have. The list only shrinks.
const LEFT: &[(&str, usize)] = &[("docs/serving-http.md", 3), ("docs/writing-jobs.md", 1)];

/// Whether a line begins a heading, a row of a table, or an item of a list.
fn begins_a_block(line: &str) -> bool {
    let after_digits = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let is_numbered = after_digits.len() < line.len() && after_digits.starts_with(". ");
    line.starts_with(['#', '|']) || line.starts_with("- ") || is_numbered
}

/// The paragraphs, headings, rows and items of a document, without its blocks of code. Each has the number of its first line.
fn blocks(document: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let (mut is_code, mut is_open) = (false, false);
    for (number, line) in document.lines().map(str::trim).enumerate() {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence || line.is_empty() {
            is_open = false;
            continue;
        }
        match blocks.last_mut() {
            Some((_, text)) if is_open && !begins_a_block(line) => {
                text.push(' ');
                text.push_str(line);
            }
            Some(_) | None => blocks.push((number + 1, line.to_owned())),
        }
        is_open = !line.starts_with(['#', '|']);
    }
    blocks
}

/// The sentences of a block, with a word for each piece of code. The cells of a row have sentences of their own.
fn sentences(block: &str) -> Vec<String> {
    let parts = block.split('`').enumerate();
    let text: String = parts.map(|(number, part)| if number % 2 == 0 { part } else { "code" }).collect();
    let mut sentences = Vec::new();
    let mut sentence = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        sentence.push(letter);
        let is_mark = ".?!:".contains(letter) && letters.peek().is_none_or(|next| !next.is_alphanumeric());
        if is_mark || letter == '|' {
            sentences.push(std::mem::take(&mut sentence));
        }
    }
    sentences.push(sentence);
    sentences
}

/// Whether a sentence has a clause as its subject, or begins with what is not so. A question may.
fn is_inverted(sentence: &str) -> bool {
    let sentence = sentence.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    let first = sentence.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
    let denies_first = first == "Not" && sentence.contains(", but ");
    !sentence.ends_with('?') && (CLAUSES.contains(&first) || denies_first)
}

/// The inverted sentences of a document, each behind the number of the line with which its block begins.
fn inverted(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (line, block) in blocks(document) {
        let sentences = sentences(&block).into_iter().filter(|sentence| is_inverted(sentence));
        found.extend(sentences.map(|sentence| format!("{line}: {}", sentence.trim())));
    }
    found
}

#[test]
fn a_sentence_of_the_documents_begins_with_its_subject() {
    let mut broken = Vec::new();
    for document in documents() {
        let found = inverted(&read(&document));
        let left = LEFT.iter().find(|(path, _)| *path == document).map_or(0, |(_, count)| *count);
        if found.len() > left {
            broken.extend(found.iter().map(|sentence| format!("{document}:{sentence}")));
        }
    }
    assert_none(&broken, "a sentence with a clause as its subject: begin with the thing that acts");
}

#[test]
fn a_clause_in_front_is_found_in_text_and_neither_in_code_nor_in_a_question() {
    let document = "# What it is\n\nWho asks? It is read.\nWhat is left\nstays. In `What` is nothing.\n\n\
        - **Whatever** comes goes.\n- Who is it?\n\n| a | Whoever reads |\n| --- | --- |\n\n\
        ```\nWhat is code.\n```\n\n1. Not a list, but a map. Not here.\n";
    let expected = [
        "1: # What it is",
        "3: What is left stays.",
        "7: - **Whatever** comes goes.",
        "10: Whoever reads |",
        "17: Not a list, but a map.",
    ];
    assert_eq!(inverted(document), expected);
}
