//! Counts lines, words and bytes and finds the commonest words: text in, one JSON object out.
//! Reads the files that it is given, the `.txt` files of a directory that it is given, or stdin.

use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

const USAGE: &str = "usage: word-count [FILE or DIRECTORY]...   (stdin without one)";
const TOP: usize = 10;

#[derive(Default)]
struct Count {
    lines: usize,
    words: usize,
    bytes: usize,
    seen: HashMap<String, usize>,
}

impl Count {
    fn add(&mut self, text: &str) {
        self.lines += text.lines().count();
        self.bytes += text.len();
        for word in words(text) {
            self.words += 1;
            *self.seen.entry(word.to_lowercase()).or_default() += 1;
        }
    }

    fn report(&self, name: &str) -> Value {
        let mut ranked: Vec<_> = self.seen.iter().collect();
        ranked.sort_by_key(|&(word, &count)| (Reverse(count), word));
        let commonest = ranked.into_iter().take(TOP);
        let top: Map<_, _> = commonest.map(|(word, &count)| (word.clone(), count.into())).collect();
        json!({
            "name": name,
            "lines": self.lines,
            "words": self.words,
            "bytes": self.bytes,
            "distinct": self.seen.len(),
            "top": top,
        })
    }
}

/// Runs of letters and digits; an apostrophe inside one belongs to it.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '\'')
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
}

/// The file itself, or the text files of a directory in the order of their names.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries: io::Result<Vec<_>> = fs::read_dir(path)?.collect();
    let mut paths: Vec<_> = entries?.iter().map(fs::DirEntry::path).collect();
    paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "txt"));
    paths.sort();
    Ok(paths)
}

/// What to count: each text under its name.
fn texts(arguments: &[String]) -> Result<Vec<(String, String)>, String> {
    if arguments.is_empty() {
        let text = io::read_to_string(io::stdin()).map_err(|error| format!("stdin: {error}"))?;
        return Ok(vec![("stdin".into(), text)]);
    }
    let mut texts = Vec::new();
    for argument in arguments {
        for path in files(Path::new(argument)).map_err(|error| format!("{argument}: {error}"))? {
            let name = path.display().to_string();
            let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
            texts.push((name, text));
        }
    }
    Ok(texts)
}

fn run(arguments: &[String]) -> Result<(), String> {
    let (mut total, mut reports) = (Count::default(), Vec::new());
    for (name, text) in texts(arguments)? {
        let mut count = Count::default();
        count.add(&text);
        total.add(&text);
        reports.push(count.report(&name));
    }
    println!("{:#}", json!({ "files": reports, "total": total.report("total") }));
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = run(&arguments).inspect_err(|error| eprintln!("word-count: {error}\n{USAGE}"));
    done.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
