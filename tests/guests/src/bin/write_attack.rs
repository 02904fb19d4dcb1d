//! write_attack GRANT: tries to change a directory that is granted read-only and holds the files
//! `file`, `other`, `third` and `sub/inner` and the directory `empty`.
//!
//! Prints one line for each attempt, `NAME: refused(ERRNO)` or `NAME: DONE`, and exits with 1 if any
//! got through; with 2 if what it needs is not there, for then a refusal would prove nothing.
//! Each attempt has things of its own to work on: granted read-write, all those by path get through.

use sandhog_test_guests::dir::{self, Open};
use sandhog_test_guests::{Attempt, Dir, arg};
use std::process::ExitCode;

/// The attempts on the directory and by path.
fn by_path(dir: Dir) -> Vec<(&'static str, Attempt)> {
    vec![
        ("create", dir.write("new", Open::CREATE, "new")),
        ("create_below", dir.write("sub/new", Open::CREATE, "new")),
        ("truncate", dir.write("file", Open::TRUNCATE, "")),
        ("overwrite", dir.write("file", Open::WRITE, "overwritten")),
        ("append", dir.write("file", Open::APPEND, "appended")),
        ("times_by_path", dir.set_times("file")),
        ("times_of_directory", dir.set_times("sub")),
        ("size_by_path", size_of(dir, "file")),
        ("mkdir", dir.mkdir("made")),
        ("symlink", dir.symlink("file", "symlink")),
        ("link", dir.link(false, "file", "link")),
        ("rename", dir.rename("third", "renamed")),
        ("rename_over", dir.rename("other", "file")),
        ("unlink", dir.unlink("file")),
        ("unlink_below", dir.unlink("sub/inner")),
        ("rename_directory", dir.rename("sub", "moved")),
        ("rmdir", dir.rmdir("empty")),
        ("times_of_grant", dir::set_times(dir.0)),
    ]
}

fn size_of(dir: Dir, path: &str) -> Attempt {
    dir::set_size(dir.open(path, Open::WRITE)?, 0)
}

/// The attempts on a file that was opened to be read.
fn by_descriptor(dir: Dir) -> Vec<(&'static str, Attempt)> {
    let on = |act: fn(u32) -> Attempt| dir.open("file", Open::READ).and_then(act);
    vec![
        ("write_by_descriptor", on(|fd| dir::write_fd(fd, "overwritten"))),
        ("size_to_zero", on(|fd| dir::set_size(fd, 0))),
        ("size_grown", on(|fd| dir::set_size(fd, 1 << 20))),
        ("allocate", on(|fd| dir::allocate(fd, 1 << 20))),
        ("times_by_descriptor", on(dir::set_times)),
    ]
}

fn main() -> ExitCode {
    let dir = dir::granted_or_exit(&arg(1, "GRANT"));
    for needed in ["file", "other", "third", "sub/inner", "empty"] {
        if let Err(errno) = dir.stat(needed) {
            eprintln!("{needed} must be there: {}", errno.name());
            return ExitCode::from(2);
        }
    }
    let mut got_through = 0;
    // Descriptors first: an unlink that got through would take the file away from them.
    for (name, attempt) in by_descriptor(dir).into_iter().chain(by_path(dir)) {
        match attempt {
            Err(errno) => println!("{name}: refused({})", errno.name()),
            Ok(()) => {
                got_through += 1;
                println!("{name}: DONE");
            }
        }
    }
    println!("{got_through} got through");
    if got_through == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
