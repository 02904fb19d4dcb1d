//! A terminal that a test reads.
//!
//! Must not: know what is shown on it.

use crate::stream::Stream;
use rustix::fs::{Mode, OFlags, open};
use rustix::termios::{Winsize, tcsetwinsize};
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread;

/// A pseudo-terminal of 80 columns: its end for a command, and all that comes out at the other one.
pub fn terminal() -> (OwnedFd, Stream) {
    let (master, slave) = pair(25, 80);
    (slave, Stream::collect(Some(File::from(master))))
}

/// Both ends: what a person has, and what a command has.
fn pair(rows: u16, columns: u16) -> (OwnedFd, OwnedFd) {
    let master = open("/dev/ptmx", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let path = unlocked(&master).unwrap();
    let slave = open(path.as_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    tcsetwinsize(&slave, size(rows, columns)).unwrap();
    (master, slave)
}

const fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
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

/// A terminal with a screen: what is written to it is shown, and keys can be pressed.
pub struct Terminal {
    keys: File,
    end: OwnedFd,
    shown: Arc<Mutex<vt100::Parser<Title>>>,
}

/// What the terminal was asked to be called.
#[derive(Default)]
struct Title(String);

impl vt100::Callbacks for Title {
    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.0 = String::from_utf8_lossy(title).into_owned();
    }
}

impl Terminal {
    /// One of this size.
    pub fn new(rows: u16, columns: u16) -> Self {
        let (master, end) = pair(rows, columns);
        let shown = Arc::new(Mutex::new(vt100::Parser::new_with_callbacks(rows, columns, 0, Title::default())));
        let keys = File::from(master);
        let (mut read, screen) = (keys.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut piece = [0; 4096];
            // It fails when the last other end is closed.
            while let Ok(length @ 1..) = read.read(&mut piece) {
                screen.lock().unwrap().process(&piece[..length]);
            }
        });
        Self { keys, end, shown }
    }

    /// The end for a command.
    pub fn end(&self) -> OwnedFd {
        self.end.try_clone().unwrap()
    }

    /// Types these keys.
    pub fn press(&self, keys: &str) {
        (&self.keys).write_all(keys.as_bytes()).unwrap();
    }

    /// Gives it another size, as somebody who pulls at a corner.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.shown.lock().unwrap().screen_mut().set_size(rows, columns);
        tcsetwinsize(&self.end, size(rows, columns)).unwrap();
    }

    /// All that it shows now.
    pub fn screen(&self) -> vt100::Screen {
        self.shown.lock().unwrap().screen().clone()
    }

    /// The title of its window.
    pub fn title(&self) -> String {
        self.shown.lock().unwrap().callbacks().0.clone()
    }
}
