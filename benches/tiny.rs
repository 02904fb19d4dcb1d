//! The smallest program that says hello, written out byte by byte: static, one page, two system calls. No process that is
//! started by exec ends sooner.

use super::Outcome;
use super::peers::Peers;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Where the kernel maps the file.
const BASE: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

/// x86_64: write(1, "hello\n", 6), then exit(0).
const CODE: &[u8] = b"\xb8\x01\0\0\0\xbf\x01\0\0\0\x48\x8d\x35\x10\0\0\0\xba\x06\0\0\0\x0f\x05\
    \xb8\x3c\0\0\0\x31\xff\x0f\x05hello\n";

/// The program, as a file that can be executed. Written anew for each run of the benchmarks.
pub(crate) fn program(peers: &Peers) -> Outcome<PathBuf> {
    let (path, new) = (peers.file("tiny"), peers.file("tiny.new"));
    fs::write(&new, elf())?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    fs::rename(&new, &path)?;
    Ok(path)
}

/// An executable of one segment (elf(5)): its own headers, and the code behind them.
fn elf() -> Vec<u8> {
    let length = HEADERS + CODE.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    let entry_and_tables = [BASE + HEADERS, 64, 0];
    elf.extend(entry_and_tables.iter().flat_map(|word| word.to_le_bytes()));
    // No flags; how large headers are, and that there is one of a segment.
    elf.extend(b"\0\0\0\0\x40\0\x38\0\x01\0\0\0\0\0\0\0");
    // To be loaded, readable and executable: from the file's start, to there, so long, in pages.
    elf.extend(b"\x01\0\0\0\x05\0\0\0");
    let segment = [0, BASE, BASE, length, length, 0x1000];
    elf.extend(segment.iter().flat_map(|word| word.to_le_bytes()));
    elf.extend(CODE);
    elf
}
