//! `sandhog new`: a guest's crate that builds and runs as it is. The SDK goes along in it, so that nothing has to be fetched
//! from a place that may not be there.

use super::args::NewArgs;
use super::render;
use super::run::refusal;
use super::whole_file::parent;
use include_dir::{Dir, DirEntry, include_dir};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sandhog_spec::text::escape;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

static COMMAND: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/command");
static HANDLER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/handler");
static HTTP: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/http");
static COMMON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/common");
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");

/// Stands in the templates where the crate's name belongs.
const PLACEHOLDER: &str = "my-job";

/// Longest name of a crate, in bytes: it becomes the name of files.
const LONGEST: usize = 64;

/// What the crate is to be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Command,
    Handler,
    Http,
}

impl Kind {
    fn of(args: &NewArgs) -> Self {
        match (args.handler, args.http) {
            (_, true) => Self::Http,
            (true, false) => Self::Handler,
            (false, false) => Self::Command,
        }
    }

    fn template(self) -> &'static Dir<'static> {
        match self {
            Self::Command => &COMMAND,
            Self::Handler => &HANDLER,
            Self::Http => &HTTP,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("\"{0}\" is no name for a crate: letters, digits, - and _ of ASCII, a letter first, {LONGEST} at the most")]
    Name(String),
    #[error("{0:?} is there already")]
    Exists(PathBuf),
    #[error("failed to make {path:?}")]
    Make {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Makes the crate, says what to do with it, and returns the exit code.
pub fn run(args: &NewArgs) -> u8 {
    match make(args) {
        Ok(text) => render::answer(text.as_bytes()),
        Err(error) => {
            let failure = refusal(&error);
            render::report(&failure.problem);
            failure.code
        }
    }
}

fn make(args: &NewArgs) -> Result<String, Error> {
    let (path, kind) = (&args.path, Kind::of(args));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !is_crate_name(&name) {
        return Err(Error::Name(escape(&name).into()));
    }
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists(path.clone()));
    }
    // Beside its place, then renamed: it is there as a whole or not at all.
    let beside = parent(path).join(format!(".{name}.sandhog-{}", std::process::id()));
    let made = fill(&beside, &name, kind).and_then(|()| put(&beside, path));
    if made.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    made.map_err(|cause| match cause.kind() == io::ErrorKind::AlreadyExists {
        true => Error::Exists(path.clone()),
        false => Error::Make { path: path.clone(), cause },
    })?;
    Ok(next_steps(path, kind))
}

/// What cargo takes as a package's name, and every file system as a file's.
fn is_crate_name(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_part = |part: char| part.is_ascii_alphanumeric() || part == '-' || part == '_';
    starts && name.len() <= LONGEST && name.chars().all(is_part)
}

fn fill(root: &Path, name: &str, kind: Kind) -> io::Result<()> {
    fs::create_dir(root)?;
    write(kind.template(), root, Some(name))?;
    write(&COMMON, root, Some(name))?;
    write(&SDK, &root.join("sandhog-sdk"), None)?;
    write(&WIT, &root.join("sandhog-sdk/wit"), None)
}

/// All that is in `from`; `name` in the place of the template's.
fn write(from: &Dir<'_>, to: &Path, name: Option<&str>) -> io::Result<()> {
    for entry in from.entries() {
        match entry {
            DirEntry::Dir(directory) => write(directory, to, name)?,
            DirEntry::File(file) => {
                let path = to.join(file.path());
                fs::create_dir_all(parent(&path))?;
                match (name, file.contents_utf8()) {
                    (Some(name), Some(text)) => fs::write(path, named(text, name))?,
                    (None | Some(_), _) => fs::write(path, file.contents())?,
                }
            }
        }
    }
    Ok(())
}

/// A library's file has no hyphen in its name. That one first: it can't bring the other placeholder in.
fn named(text: &str, name: &str) -> String {
    text.replace(&PLACEHOLDER.replace('-', "_"), &name.replace('-', "_")).replace(PLACEHOLDER, name)
}

/// In the place of nothing.
fn put(beside: &Path, path: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, beside, CWD, path, RenameFlags::NOREPLACE)?)
}

fn next_steps(path: &Path, kind: Kind) -> String {
    let shown = escape(&path.to_string_lossy()).into_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let library = name.replace('-', "_");
    let (what, verb, file) = match kind {
        Kind::Command => ("a program", "run", &*name),
        Kind::Handler => ("a handler", "inspect", &*library),
        Kind::Http => ("a service", "serve --listen 127.0.0.1:8080", &*library),
    };
    format!(
        "made {shown}: {what}. Next:\n  cd {shown}\n  cargo test\n  cargo build --release\n  \
         sandhog {verb} target/wasm32-wasip1/release/{file}.wasm\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_crate_bears_its_name_and_its_library_that_without_hyphens() {
        assert_eq!(named("my-job, my_job.wasm", "night-shift"), "night-shift, night_shift.wasm");
        assert_eq!(named("my-job, my_job.wasm", "my_job-2"), "my_job-2, my_job_2.wasm");
    }

    #[test]
    fn a_crate_has_a_crates_name() {
        assert!(["a", "my-job", "job_2"].iter().all(|name| is_crate_name(name)));
        let long = "a".repeat(LONGEST + 1);
        assert!(["", "2a", "-a", "a b", "a/b", "ä", "a\n", "a\u{202e}", &long].iter().all(|name| !is_crate_name(name)));
    }
}
