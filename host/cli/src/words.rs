//! Words that are either the path of a file or the name of a job.

use super::embedded::Failure;
use super::render::problem::Problem;
use sandhog_protocol::exit_code;
use sandhog_spec::text::escape;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Whether a word is a path: it has one of these endings, is a file here, or has a slash and is no `NAME/INSTANCE`.
pub(super) fn is_path(word: &OsStr, endings: &[&str], is_file: impl Fn(&Path) -> bool) -> bool {
    let path = Path::new(word);
    let has_ending = path.extension().is_some_and(|end| endings.iter().any(|ending| end == *ending));
    has_ending || is_file(path) || (word.as_encoded_bytes().contains(&b'/') && !is_instance(word))
}

/// `NAME/INSTANCE`.
fn is_instance(word: &OsStr) -> bool {
    let parts = word.to_str().and_then(|word| word.split_once('/'));
    parts.is_some_and(|(name, number)| !name.is_empty() && name != "." && name != ".." && number.parse::<u32>().is_ok())
}

/// Names are text.
pub(super) fn as_text(words: &[OsString]) -> Result<Vec<String>, Failure> {
    let text = |word: &OsString| {
        word.to_str().map(str::to_owned).ok_or_else(|| Failure {
            problem: Problem::new(format!(
                "no job has the name \"{}\": it is not UTF-8",
                escape(&word.to_string_lossy())
            ))
            .with_hint("sandhog ps lists the names"),
            code: exit_code::REFUSED,
        })
    };
    words.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_path_or_the_name_of_a_job() {
        let is = |word: &str| is_path(OsStr::new(word), &["wasm", "wat"], |path| path == Path::new("here"));
        for path in ["a.wasm", "a.wat", "./a", "x/y", "here", "/1", "./1", "a/b/1"] {
            assert!(is(path), "{path}");
        }
        for name in ["web", "all", "17", "web/0", "a.toml"] {
            assert!(!is(name), "{name}");
        }
    }
}
