//! Names of jobs, groups and profiles. People write them in commands beside ids, and they become parts of file names.

use crate::text::escape;

/// Longest name, in bytes: more does not fit into a line of `ps`.
pub const LONGEST: usize = 64;

/// The group of jobs that are in none.
pub const DEFAULT_GROUP: &str = "default";

/// What a name looks like, as a regular expression; [`check`] knows more.
pub const PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

/// What such a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Job,
    Group,
    /// Of a manifest; nobody takes it for anything else.
    Profile,
}

impl Of {
    const fn word(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Group => "group",
            Self::Profile => "profile",
        }
    }
}

/// Why something is no name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the {} has no name", .0.word())]
    Empty(Of),
    #[error("the name of the {} has {bytes} bytes, more than {LONGEST}: \"{start}…\"", .of.word())]
    Length { of: Of, bytes: usize, start: String },
    #[error(
        "the name of the {} \"{name}\" holds \"{}\" (U+{:04X}); use only ASCII letters, digits, \".\", \"_\" and \"-\"",
        .of.word(), escape(&.bad.to_string()), u32::from(*.bad)
    )]
    Character { of: Of, name: String, bad: char },
    #[error("the name of the {} \"{name}\" begins with \"{first}\"; begin with a letter or a digit", .of.word())]
    Start { of: Of, name: String, first: char },
    #[error("no {} is called \"all\": that means all of them", .0.word())]
    All(Of),
    #[error("no job is called \"default\": the group of jobs that name none is called so")]
    Default,
    #[error("the name of the {} \"{name}\" would be taken for a file; leave the ending away", .of.word())]
    File { of: Of, name: String },
    #[error("the name of the {} \"{name}\" is a number, and would be taken for an id; add a letter", .of.word())]
    Number { of: Of, name: String },
}

/// Whether it can be a name: `web`, `web-2`, `api.v1`.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(of: Of, name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::Empty(of));
    }
    if name.len() > LONGEST {
        let start = escape(&name.chars().take(LONGEST / 4).collect::<String>()).into();
        return Err(Error::Length { of, bytes: name.len(), start });
    }
    if let Some(bad) = name.chars().find(|character| !is_fit(*character)) {
        return Err(Error::Character { of, name: escape(name).into(), bad });
    }
    if let Some(first) = name.chars().next().filter(|first| !first.is_ascii_alphanumeric()) {
        return Err(Error::Start { of, name: name.into(), first });
    }
    if of == Of::Profile {
        return Ok(());
    }
    if name == "all" {
        return Err(Error::All(of));
    }
    if of == Of::Job && name == DEFAULT_GROUP {
        return Err(Error::Default);
    }
    if [".toml", ".wasm", ".wat"].iter().any(|ending| name.ends_with(ending)) {
        return Err(Error::File { of, name: name.into() });
    }
    if name.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Error::Number { of, name: name.into() });
    }
    Ok(())
}

const fn is_fit(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

/// The most of a text that can be a name; `None` where nothing is left.
pub fn fit(text: &str) -> Option<String> {
    let fit: String = text.chars().map(|character| if is_fit(character) { character } else { '-' }).collect();
    let fit = fit.trim_matches(|edge: char| !edge.is_ascii_alphanumeric());
    let fit = &fit[..fit.len().min(LONGEST)];
    check(Of::Group, fit).is_ok().then(|| fit.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(name: &str) -> String {
        check(Of::Job, name).unwrap_err().to_string()
    }

    #[test]
    fn plain_names_are_names() {
        for name in ["web", "web-2", "api.v1", "9to5", "A_b", &"x".repeat(64)] {
            assert_eq!(check(Of::Job, name), Ok(()), "{name}");
        }
    }

    #[test]
    fn the_first_character_that_does_not_belong_is_shown_with_its_number() {
        let rest = "; use only ASCII letters, digits, \".\", \"_\" and \"-\"";
        for (name, what) in [
            ("w\u{435}b", "the name of the job \"w\u{435}b\" holds \"\u{435}\" (U+0435)"),
            ("a/b", "the name of the job \"a/b\" holds \"/\" (U+002F)"),
            ("a\nb", "the name of the job \"a\\nb\" holds \"\\n\" (U+000A)"),
            ("\u{1b}[31m", "the name of the job \"\\u{1b}[31m\" holds \"\\u{1b}\" (U+001B)"),
            ("a\u{202e}b", "the name of the job \"a\\u{202e}b\" holds \"\\u{202e}\" (U+202E)"),
            ("web ", "the name of the job \"web \" holds \" \" (U+0020)"),
            ("\u{1d4cc}eb", "the name of the job \"\u{1d4cc}eb\" holds \"\u{1d4cc}\" (U+1D4CC)"),
        ] {
            assert_eq!(sentence(name), format!("{what}{rest}"));
        }
    }

    #[test]
    fn what_means_something_else_is_no_name() {
        assert_eq!(sentence(""), "the job has no name");
        assert_eq!(sentence("all"), "no job is called \"all\": that means all of them");
        assert_eq!(
            sentence("17"),
            "the name of the job \"17\" is a number, and would be taken for an id; add a letter"
        );
        assert_eq!(sentence("-x"), "the name of the job \"-x\" begins with \"-\"; begin with a letter or a digit");
        assert_eq!(sentence(".."), "the name of the job \"..\" begins with \".\"; begin with a letter or a digit");
        assert_eq!(sentence(&"x".repeat(65)), "the name of the job has 65 bytes, more than 64: \"xxxxxxxxxxxxxxxx…\"");
    }

    #[test]
    fn a_folders_name_is_made_fit() {
        for (folder, name) in [("web", Some("web")), ("my app!", Some("my-app")), ("…", None), ("all", None)] {
            assert_eq!(fit(folder).as_deref(), name);
        }
        assert_eq!(fit(&"é".repeat(100)), None);
        assert_eq!(fit(&format!("{}é", "x".repeat(64))), Some("x".repeat(64)));
        assert_eq!(fit("2026"), None);
    }
}
