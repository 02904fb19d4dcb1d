//! Kinds of files, as the guest is told them.

use crate::stdio::{Stdio, Stream};
use rustix::fs::FileType;

/// Kinds of files, `typenames.witx`, `filetype`. There is none for a FIFO.
const UNKNOWN: u8 = 0;
const BLOCK_DEVICE: u8 = 1;
const CHARACTER_DEVICE: u8 = 2;
pub(super) const DIRECTORY: u8 = 3;
const REGULAR_FILE: u8 = 4;
pub(super) const SOCKET_STREAM: u8 = 6;
const SYMBOLIC_LINK: u8 = 7;

/// What a stream says that it is: a terminal, or nothing that one could tell. C libraries take a character device that has no
/// position for a terminal.
pub(super) fn stream_filetype(stdio: &Stdio, stream: Stream) -> u8 {
    if stdio.is_terminal(stream) { CHARACTER_DEVICE } else { UNKNOWN }
}

pub(super) fn filetype(kind: FileType) -> u8 {
    match kind {
        FileType::RegularFile => REGULAR_FILE,
        FileType::Directory => DIRECTORY,
        FileType::Symlink => SYMBOLIC_LINK,
        FileType::CharacterDevice => CHARACTER_DEVICE,
        FileType::BlockDevice => BLOCK_DEVICE,
        FileType::Fifo | FileType::Socket | FileType::Unknown => UNKNOWN,
    }
}
