//! Circles of imports by file: files that know each other, each by way of the others.
//!
//! Must not: know what a file does. A path is followed to the file that defines what it names, so that one which only
//! declares and re-exports stands in nobody's way.

use super::source::{Source, is_word, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Circles that may be, each as its files in their order. The list only shrinks: one that is no more has to go from here.
const ALLOWED: &[&[&str]] = &[
    // Attempts start attempts.
    &["host/runtime/src/children.rs", "host/runtime/src/run.rs"],
];

/// A module's place in its crate: the names on the way from its root.
type ModulePath = Vec<String>;

/// What of one file is to do with others.
struct File {
    path: String,
    /// Names of its items.
    defines: BTreeSet<String>,
    /// It only declares modules and imports.
    passes_on: bool,
    /// What each name that it imports stands for, from the root of the crate.
    imports: BTreeMap<String, ModulePath>,
    /// Paths in its code as they are written, those of its imports among them.
    paths: Vec<Vec<String>>,
}

/// The files of one crate.
struct Crate(BTreeMap<ModulePath, File>);

#[test]
fn files_that_import_each_other_are_on_the_list() {
    let mut circles = Vec::new();
    let mut said = String::new();
    for of_crate in crates(sources(&["host"])) {
        let known = of_crate.known();
        for circle in circles_of(&known) {
            let _ = writeln!(said, "  a circle of {} files:", circle.len());
            for file in &circle {
                let others = known[file].iter().filter(|other| circle.contains(other));
                let _ = writeln!(said, "    {file} ─▶ {}", join(others));
            }
            circles.push(circle);
        }
    }
    assert_eq!(circles, ALLOWED, "circles (left) that are not those of the list (right):\n{said}");
}

#[test]
fn a_circle_is_found_through_what_only_passes_names_on() {
    let source =
        |path: &str, product: &str| Source { path: path.into(), code: product.into(), product: product.into() };
    let files = vec![
        source("x/src/lib.rs", "mod a; mod b; mod c; pub use b::B;"),
        source("x/src/a.rs", "use crate::B; struct A(B);"),
        source("x/src/b.rs", "use super::c; pub(in crate::a) struct B(c::C<u8>);"),
        source("x/src/c.rs", "mod d; pub(crate) use d::{C, D as Other};"),
        source("x/src/c/d.rs", "struct C(super::super::a::A); struct D(self::C);"),
    ];
    let crates = crates(files);
    let known = crates[0].known();
    let circles = circles_of(&known);
    assert_eq!(circles.len(), 1);
    assert_eq!(join(circles[0].iter()), "x/src/a.rs, x/src/b.rs, x/src/c/d.rs");
    assert!(known["x/src/lib.rs"].is_empty() && known["x/src/c.rs"].is_empty(), "{known:?}");
}

fn join<'a>(files: impl Iterator<Item = &'a (impl AsRef<str> + 'a)>) -> String {
    files.map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// The sources by crate: what stands below one `src`.
fn crates(sources: Vec<Source>) -> Vec<Crate> {
    let mut crates: BTreeMap<String, BTreeMap<ModulePath, File>> = BTreeMap::new();
    for source in sources.into_iter().filter(|source| !source.product.trim().is_empty()) {
        let Some((root, way)) = source.path.split_once("/src/") else { continue };
        let way = way.strip_suffix("/mod.rs").or(way.strip_suffix(".rs")).unwrap();
        let module: ModulePath = match way {
            "main" | "lib" => Vec::new(),
            _ => way.split('/').map(str::to_owned).collect(),
        };
        let root = root.to_owned();
        crates.entry(root).or_default().insert(module, File::of(source));
    }
    crates.into_values().map(Crate::new).collect()
}

impl File {
    fn of(source: Source) -> Self {
        let mut file = Self {
            path: source.path,
            defines: BTreeSet::new(),
            passes_on: true,
            imports: BTreeMap::new(),
            paths: Vec::new(),
        };
        let words = words(&source.product);
        let (mut at, mut depth) = (0, 0_usize);
        while at < words.len() {
            let next = words.get(at + 1).copied().unwrap_or_default();
            match words[at] {
                "{" => depth += 1,
                "}" => depth -= 1,
                // `use<'a>` is no import.
                "use" if next != "<" => {
                    at += 1;
                    file.import(&words, &mut at, &[]);
                }
                "mod" if depth == 0 && words.get(at + 2) == Some(&";") => {}
                "impl" if depth == 0 => file.passes_on = false,
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "mod" if depth == 0 => {
                    file.passes_on = false;
                    file.defines.insert(next.to_owned());
                }
                first if is_name(first) && next == "::" && !is_behind(&words, at) => {
                    let mut path = vec![first.to_owned()];
                    while words.get(at + 1) == Some(&"::") && words.get(at + 2).is_some_and(|word| is_name(word)) {
                        path.push(words[at + 2].to_owned());
                        at += 2;
                    }
                    file.paths.push(path);
                }
                _ => {}
            }
            at += 1;
        }
        file
    }

    /// One branch of what `use` names; afterwards `at` stands on the word behind it.
    fn import(&mut self, words: &[&str], at: &mut usize, stem: &[String]) {
        let mut path = stem.to_vec();
        loop {
            match words[*at] {
                "{" => {
                    while words[*at] != "}" {
                        *at += 1;
                        if words[*at] != "}" {
                            self.import(words, at, &path);
                        }
                    }
                    *at += 1;
                    return;
                }
                "::" => {}
                "," | "}" | ";" => break,
                "as" => {
                    self.imports.insert(words[*at + 1].to_owned(), path.clone());
                    *at += 2;
                    break;
                }
                // The module itself.
                "self" if !path.is_empty() => {}
                name => path.push(name.to_owned()),
            }
            *at += 1;
        }
        if let Some(name) = path.last() {
            self.imports.entry(name.clone()).or_insert_with(|| path.clone());
        }
        self.paths.push(path);
    }
}

/// Whether the path that begins here is the rest of another one, or the place of `pub(in PLACE)`.
fn is_behind(words: &[&str], at: usize) -> bool {
    at > 0 && (words[at - 1] == "::" || at > 1 && words[at - 2..at] == ["(", "in"])
}

fn is_name(word: &str) -> bool {
    word.bytes().next().is_some_and(|byte| is_word(byte) && !byte.is_ascii_digit())
}

/// Names, `::`, and every other sign by itself.
fn words(code: &str) -> Vec<&str> {
    let (bytes, mut found, mut at) = (code.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let length = match &bytes[at..] {
            [b':', b':', ..] => 2,
            rest => rest.iter().take_while(|byte| is_word(**byte)).count().max(1),
        };
        // Signs that are no ASCII stand in comments and literals only, which are blank here.
        if !bytes[at].is_ascii_whitespace() {
            found.push(&code[at..at + length]);
        }
        at += length;
    }
    found
}

impl Crate {
    /// With imports from the root of the crate.
    fn new(files: BTreeMap<ModulePath, File>) -> Self {
        let mut of_crate = Self(files);
        let modules: Vec<ModulePath> = of_crate.0.keys().cloned().collect();
        for module in modules {
            let raw = std::mem::take(&mut of_crate.0.get_mut(&module).unwrap().imports);
            let imports = raw.into_iter().filter_map(|(name, path)| Some((name, of_crate.rooted(&module, &path)?)));
            let imports = imports.collect();
            of_crate.0.get_mut(&module).unwrap().imports = imports;
        }
        of_crate
    }

    /// The files that each file knows.
    fn known(&self) -> BTreeMap<String, BTreeSet<String>> {
        let known = self.0.iter().map(|(module, file)| {
            let paths = file.paths.iter().filter_map(|path| self.rooted(module, path));
            let others = paths.filter_map(|path| self.definer(&path, &mut BTreeSet::new()));
            // Whoever passes a name on does nothing with it.
            let others = others.filter(|other| !file.passes_on && *other != file.path).map(str::to_owned);
            (file.path.clone(), others.collect())
        });
        known.collect()
    }

    /// A path that is written in the module of this place, from the root of the crate; none where it leads out of that.
    fn rooted(&self, module: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let (first, mut rest) = path.split_first()?;
        let mut from = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.clone(),
            "super" => module[..module.len().checked_sub(1)?].to_vec(),
            name => match self.0[module].imports.get(name) {
                Some(import) => import.clone(),
                None if self.0.contains_key(&[&module[..], &path[..1]].concat()) => [&module[..], &path[..1]].concat(),
                None => return None,
            },
        };
        while let Some(("super", after)) = rest.split_first().map(|(first, after)| (first.as_str(), after)) {
            from.pop()?;
            rest = after;
        }
        from.extend_from_slice(rest);
        Some(from)
    }

    /// The file that defines what a path from the root names; none for a module, whose names are looked at where they are used.
    fn definer(&self, path: &ModulePath, seen: &mut BTreeSet<ModulePath>) -> Option<&str> {
        let modules = (0..=path.len()).rev().find(|length| self.0.contains_key(&path[..*length]))?;
        let (module, name) = (&self.0[&path[..modules]], path.get(modules)?);
        match module.imports.get(name) {
            Some(import) if !module.defines.contains(name) && seen.insert(path.clone()) => {
                self.definer(&[&import[..], &path[modules + 1..]].concat(), seen)
            }
            _ => Some(&module.path),
        }
    }
}

/// Sets of files of which each leads to all the others.
fn circles_of(known: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        known.keys().map(|file| (file.as_str(), reached(known, file))).collect();
    let circle = |file: &str| -> Vec<String> {
        reached[file].iter().filter(|other| reached[*other].contains(file)).map(|other| (*other).to_owned()).collect()
    };
    let circles: BTreeSet<_> = reached.keys().map(|file| circle(file)).filter(|circle| circle.len() > 1).collect();
    circles.into_iter().collect()
}

/// All files that one leads to.
fn reached<'k>(known: &'k BTreeMap<String, BTreeSet<String>>, file: &str) -> BTreeSet<&'k str> {
    let (mut reached, mut left) = (BTreeSet::new(), vec![file]);
    while let Some(file) = left.pop() {
        let new = known[file].iter().map(String::as_str).filter(|other| reached.insert(*other));
        left.extend(new.collect::<Vec<_>>());
    }
    reached
}
