//! A terminal that a test reads.

use super::stream::Stream;
use rustix::fs::{Mode, OFlags, open};
use rustix::termios::{Winsize, tcsetwinsize};
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// A pseudo-terminal of 80 columns: its end for a command, and all that comes out at the other one.
pub(crate) fn terminal() -> (OwnedFd, Stream) {
    let master = open("/dev/ptmx", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let path = unlocked(&master).unwrap();
    let slave = open(path.as_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    tcsetwinsize(&slave, Winsize { ws_row: 25, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    (slave, Stream::collect(Some(File::from(master))))
}

/// The path of its other end, open from now on.
#[allow(unsafe_code)]
fn unlocked(master: &OwnedFd) -> io::Result<String> {
    let mut name = [0; 64];
    // SAFETY: the descriptor is open, and the second call writes no more than it is told, with a NUL at the end.
    let failed = unsafe {
        libc::unlockpt(master.as_raw_fd()) != 0
            || libc::ptsname_r(master.as_raw_fd(), name.as_mut_ptr().cast(), name.len()) != 0
    };
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok(CStr::from_bytes_until_nul(&name).unwrap().to_str().unwrap().to_owned())
}
