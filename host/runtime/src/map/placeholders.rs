//! A task in a command's arguments, as GNU parallel puts it there: `{}`, `{.}`, `{/}`, `{//}`, `{/.}`, `{#}`, `{%}`.
//!
//! Must not: look at the file that a task may name: it is text, whatever lies there.

/// Part of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

/// What stands for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// `{}`: the task.
    Whole,
    /// `{.}`: without its extension.
    Stem,
    /// `{/}`: behind its last slash.
    Base,
    /// `{//}`: before it.
    Parent,
    /// `{/.}`: behind its last slash, without its extension.
    BaseStem,
    /// `{#}`: the task's number.
    Number,
    /// `{%}`: the number of its place among those that run at the same time.
    Slot,
}

impl Place {
    /// The longer ones first.
    const ALL: [(&'static str, Self); 7] = [
        ("{//}", Self::Parent),
        ("{/.}", Self::BaseStem),
        ("{}", Self::Whole),
        ("{.}", Self::Stem),
        ("{/}", Self::Base),
        ("{#}", Self::Number),
        ("{%}", Self::Slot),
    ];

    const fn is_of_input(self) -> bool {
        match self {
            Self::Whole | Self::Stem | Self::Base | Self::Parent | Self::BaseStem => true,
            Self::Number | Self::Slot => false,
        }
    }
}

/// What a task is beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    pub number: u64,
    pub slot: u64,
}

/// Arguments with places for tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    arguments: Vec<Vec<Part>>,
}

impl Template {
    #[must_use]
    pub fn new(arguments: &[String]) -> Self {
        Self { arguments: arguments.iter().map(|argument| parts(argument)).collect() }
    }

    /// Whether tasks go into the arguments. Else they go to stdin.
    #[must_use]
    pub fn takes_input(&self) -> bool {
        self.places().any(Place::is_of_input)
    }

    /// Whether every task has the same arguments.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.places().next().is_none()
    }

    /// Whether it matters which of those that run at the same time a task is.
    #[must_use]
    pub fn takes_slot(&self) -> bool {
        self.places().any(|place| place == Place::Slot)
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        self.arguments.iter().flatten().filter_map(|part| match part {
            Part::Place(place) => Some(*place),
            Part::Text(_) => None,
        })
    }

    /// The arguments of one process. One that has a task in it is there for each of the inputs, with what is around it.
    #[must_use]
    pub fn fill(&self, inputs: &[String], numbered: Numbered) -> Vec<String> {
        let mut filled = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            let is_of_input = argument.iter().any(|part| matches!(part, Part::Place(place) if place.is_of_input()));
            if is_of_input {
                filled.extend(inputs.iter().map(|input| put(argument, input, numbered)));
            } else {
                filled.push(put(argument, "", numbered));
            }
        }
        filled
    }
}

fn put(argument: &[Part], input: &str, numbered: Numbered) -> String {
    let mut text = String::new();
    for part in argument {
        match part {
            Part::Text(own) => text.push_str(own),
            Part::Place(Place::Whole) => text.push_str(input),
            Part::Place(Place::Stem) => text.push_str(stem(input)),
            Part::Place(Place::Base) => text.push_str(base(input)),
            Part::Place(Place::Parent) => text.push_str(parent(input)),
            Part::Place(Place::BaseStem) => text.push_str(stem(base(input))),
            Part::Place(Place::Number) => text.push_str(&numbered.number.to_string()),
            Part::Place(Place::Slot) => text.push_str(&numbered.slot.to_string()),
        }
    }
    text
}

fn parts(argument: &str) -> Vec<Part> {
    let (mut parts, mut rest, mut text) = (Vec::new(), argument, String::new());
    while !rest.is_empty() {
        let found = Place::ALL.iter().find_map(|(word, place)| Some((rest.strip_prefix(word)?, *place)));
        if let Some((behind, place)) = found {
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Place(place));
            rest = behind;
        } else {
            // Up to what may begin a place.
            let end =
                rest.char_indices().skip(1).find(|(_, character)| *character == '{').map_or(rest.len(), |it| it.0);
            text.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

/// Without what follows the last dot, unless a slash does: `a.b/c` has no extension.
fn stem(path: &str) -> &str {
    match path.rfind(['.', '/']) {
        Some(place) if path.as_bytes()[place] == b'.' => &path[..place],
        Some(_) | None => path,
    }
}

fn base(path: &str) -> &str {
    path.rfind('/').map_or(path, |slash| &path[slash + 1..])
}

/// As dirname(1) says it.
fn parent(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return if path.is_empty() { "." } else { "/" };
    }
    let Some(slash) = trimmed.rfind('/') else { return "." };
    let above = trimmed[..slash].trim_end_matches('/');
    if above.is_empty() { "/" } else { above }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::random::Random;

    fn filled(arguments: &[&str], inputs: &[&str]) -> Vec<String> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Template::new(&owned(arguments)).fill(&owned(inputs), Numbered { number: 7, slot: 2 })
    }

    #[test]
    fn every_place_is_filled_as_gnu_parallel_fills_it() {
        let all = ["{}", "{.}", "{/}", "{//}", "{/.}", "{#}", "{%}"];
        assert_eq!(filled(&all, &["a/b.c.svg"]), ["a/b.c.svg", "a/b.c", "b.c.svg", "a", "b.c", "7", "2"]);
        assert_eq!(filled(&all, &["pic.png"]), ["pic.png", "pic", "pic.png", ".", "pic", "7", "2"]);
        assert_eq!(filled(&all, &["/x.y/none"]), ["/x.y/none", "/x.y/none", "none", "/x.y", "none", "7", "2"]);
        assert_eq!(filled(&["pre-{.}.png:{#}", "--", "plain"], &["a.svg"]), ["pre-a.png:7", "--", "plain"]);
    }

    #[test]
    fn a_parent_is_that_of_dirname() {
        for (path, above) in
            [("a", "."), ("a/", "."), ("/", "/"), ("//", "/"), ("/a", "/"), ("a//b", "a"), ("a/b/", "a"), ("", ".")]
        {
            assert_eq!(parent(path), above, "{path}");
        }
    }

    #[test]
    fn other_braces_are_text() {
        for text in ["{a}", "{", "}", "{{", "{ }", "{///}", "é{é}", "{1}"] {
            assert_eq!(filled(&[text], &["x"]), [text]);
        }
        assert_eq!(filled(&["{{}}", "{{.}", "{}{}"], &["x.y"]), ["{x.y}", "{x", "x.yx.y"]);
    }

    #[test]
    fn an_argument_with_a_task_is_there_for_each_of_them() {
        assert_eq!(filled(&["-v", "in={}", "{#}"], &["a", "b"]), ["-v", "in=a", "in=b", "7"]);
    }

    #[test]
    fn what_takes_no_task_leaves_it_to_stdin() {
        let template = |text: &str| Template::new(&[text.to_owned()]);
        assert!(template("x{.}").takes_input() && !template("{#}{%}").takes_input());
        assert!(template("{%}").takes_slot() && !template("{}").takes_slot());
        assert!(template("{x}").is_fixed() && !template("{#}").is_fixed());
    }

    /// A task that looks like a place, or ends in the middle of a character's neighbours, is text.
    #[test]
    fn odd_names_go_through_whole() {
        let mut random = Random(17);
        let pieces = ["{}", "{.}", ".", "/", "é", "\u{1F600}", " ", "\n", "'", "\\", "a", "{", "}", "\0"];
        for _ in 0..20_000 {
            let name: String =
                (0..random.below(9)).map(|_| pieces[random.below(pieces.len() as u64) as usize]).collect();
            let [whole, stem, base, above, base_stem] =
                filled(&["{}", "{.}", "{/}", "{//}", "{/.}"], &[&name]).try_into().unwrap();
            assert_eq!(whole, name);
            assert!(name.starts_with(&stem) && name.ends_with(&base) && base.starts_with(&base_stem));
            assert!(!base.contains('/') && !base_stem.contains('/'));
            assert!(above == "." || name.starts_with(&above), "{name:?} {above:?}");
            assert_eq!(filled(&["<{}>"], &[&name]), [format!("<{name}>")]);
        }
    }
}
