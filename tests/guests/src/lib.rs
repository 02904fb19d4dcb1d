//! What the guests share: arguments, raw streams, and a thin face of WASI 0.1 for what std would
//! refuse, rewrite or resolve before the host ever sees it.
//! No behaviour lives here: each program in `bin` holds one.

use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;

pub mod dir;

pub use dir::{Attempt, Dir, Errno};

/// Argument `index` (1 is the first), or exit code 64 with a sentence that names it.
pub fn arg(index: usize, name: &str) -> String {
    optional_arg(index).unwrap_or_else(|| usage(&format!("argument {index} is missing: {name}")))
}

pub fn optional_arg(index: usize) -> Option<String> {
    std::env::args().nth(index)
}

/// Argument `index` as a number, or exit code 64.
pub fn number(index: usize, name: &str) -> u64 {
    let text = arg(index, name);
    text.parse().unwrap_or_else(|_| usage(&format!("{name} must be a number, not {text:?}")))
}

fn usage(message: &str) -> ! {
    eprintln!("{message}");
    std::process::exit(64)
}

/// A standard stream without std's line buffer: each write reaches the host as it is.
/// It is never closed, for the stream is not ours to close.
pub fn raw_stream(fd: i32) -> ManuallyDrop<File> {
    // SAFETY: descriptors 0 to 2 stay open for as long as the guest lives, and ManuallyDrop never
    // closes one; a guest that closes one itself gets BADF, not another file, since it opens none.
    ManuallyDrop::new(unsafe { File::from_raw_fd(fd) })
}

/// The WASI name of an error from std (`NOENT`, `NOTCAPABLE`), or std's own word for it.
pub fn errno(error: &std::io::Error) -> String {
    match error.raw_os_error().map(u16::try_from) {
        Some(Ok(raw)) => Errno::from_raw(raw).name().to_string(),
        _ => format!("{:?}", error.kind()),
    }
}

/// What `spew` and `spew_stderr` do. 251 is a prime: no buffer's size is a multiple of it, so a piece
/// that is lost, doubled or out of order breaks the pattern.
pub fn spew(fd: i32) {
    const PERIOD: u64 = 251;
    let piece: Vec<u8> = (0..256 * PERIOD).map(|index| (index % PERIOD) as u8).collect();
    let mut left = optional_arg(1).map_or(u64::MAX, |_| number(1, "BYTES"));
    let mut output = raw_stream(fd);
    while left > 0 {
        let size = left.min(piece.len() as u64) as usize;
        if let Err(error) = output.write_all(&piece[..size]) {
            eprintln!("write refused({})", errno(&error));
            std::process::exit(1);
        }
        left -= size as u64;
    }
}

/// Prints each name in the directory that argument 1 names and when its content changed, in seconds since 1970, sorted; an
/// error in the place of what could not be told.
pub fn tell_times() {
    let entries = std::fs::read_dir(arg(1, "PATH")).expect("a directory");
    let mut lines: Vec<String> = entries
        .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.metadata()?.modified()?))))
        .map(|told| match told {
            Ok((name, time)) => {
                let since = time
                    .duration_since(std::time::UNIX_EPOCH)
                    .expect("WASI has no time before 1970");
                format!("{} {}", name.to_string_lossy(), since.as_secs())
            }
            Err(error) => format!("refused({})", errno(&error)),
        })
        .collect();
    lines.sort();
    lines.iter().for_each(|line| println!("{line}"));
}
