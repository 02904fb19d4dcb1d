//! Manual pages, out of the same description of the commands as their help.
//!
//! Must not: have a text of its own.

use super::args::{Cli, ManArgs, Topic};
use super::render;
use super::run::refusal;
use clap::{Command, CommandFactory, ValueEnum};
use clap_mangen::Man;
use sandhog_spec::text::escape;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("failed to make the folder {path:?}")]
    Folder {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("failed to write the page {path:?}")]
    Page {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Prints a page, or writes all of them; the exit code.
pub(super) fn run(args: &ManArgs) -> u8 {
    let Some(folder) = &args.output else { return render::answer(&page(args.topic)) };
    match write_all(folder) {
        Ok(count) => render::answer(format!("{count} pages in {}\n", escape(&folder.to_string_lossy())).as_bytes()),
        Err(error) => {
            let failure = refusal(&error);
            render::report(&failure.problem);
            failure.code
        }
    }
}

/// The commands that are shown, each with the name of its page: `sandhog`, `sandhog-run`.
fn commands() -> impl Iterator<Item = (String, Command)> {
    let whole = Cli::command();
    let verbs: Vec<_> = whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    let named = verbs.into_iter().map(|verb| {
        let name = format!("sandhog-{}", verb.get_name());
        let spoken = format!("sandhog {}", verb.get_name());
        (name.clone(), verb.display_name(name).bin_name(spoken))
    });
    std::iter::once(("sandhog".to_owned(), whole)).chain(named)
}

/// The page of a command. What is no command has that of sandhog itself.
fn page(topic: Option<Topic>) -> Vec<u8> {
    let name = topic.and_then(|topic| topic.to_possible_value()).map(|value| format!("sandhog-{}", value.get_name()));
    let found = commands().find(|(page, _)| Some(page) == name.as_ref());
    rendered(found.map_or_else(Cli::command, |(_, command)| command))
}

/// As troff.
fn rendered(command: Command) -> Vec<u8> {
    let mut page = Vec::new();
    // Writing to a Vec does not fail.
    let _ = Man::new(command).render(&mut page);
    page
}

fn write_all(folder: &Path) -> Result<usize, Error> {
    fs::create_dir_all(folder).map_err(|cause| Error::Folder { path: folder.into(), cause })?;
    let pages = commands().map(|(name, command)| {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, rendered(command)).map_err(|cause| Error::Page { path, cause })
    });
    pages.collect::<Result<Vec<()>, _>>().map(|written| written.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_flags_and_nothing_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let count = write_all(folder.path()).unwrap();
        let topics = Topic::value_variants().iter().filter(|topic| **topic != Topic::ExitCodes).count();
        // That of sandhog itself, and that of `help`.
        assert_eq!(count, topics + 2);
        let run = fs::read_to_string(folder.path().join("sandhog-run.1")).unwrap();
        assert!(run.contains("max\\-output") && run.contains("Examples"), "{run}");
        assert!(!run.contains("channel <FD>") && !run.contains("probe"), "{run}");
    }

    #[test]
    fn the_page_of_a_command_is_the_one_that_is_written() {
        let folder = tempfile::tempdir().unwrap();
        write_all(folder.path()).unwrap();
        assert_eq!(page(Some(Topic::Ps)), fs::read(folder.path().join("sandhog-ps.1")).unwrap());
        assert_eq!(page(None), fs::read(folder.path().join("sandhog.1")).unwrap());
    }
}
