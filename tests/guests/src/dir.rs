//! Directories by their descriptor. std resolves paths against the grants before it asks the host,
//! so an attack written with std would often be stopped by the guest's own libc.

use wasip1::*;

/// How a host call was refused.
#[derive(Clone, Copy, PartialEq)]
pub struct Errno(wasip1::Errno);

impl Errno {
    pub fn from_raw(raw: u16) -> Self {
        // SAFETY: wasip1's Errno is a transparent u16; `name` asks only values that it knows.
        Self(unsafe { std::mem::transmute::<u16, wasip1::Errno>(raw) })
    }

    pub fn name(self) -> &'static str {
        let known = wasip1::ERRNO_NOTCAPABLE.raw();
        if self.0.raw() <= known { self.0.name() } else { "UNKNOWN" }
    }
}

impl From<wasip1::Errno> for Errno {
    fn from(errno: wasip1::Errno) -> Self {
        Self(errno)
    }
}

pub type Attempt<T = ()> = Result<T, Errno>;

/// What a file is opened for.
#[derive(Clone, Copy)]
pub struct Open {
    pub flags: Oflags,
    pub rights: Rights,
    pub fdflags: Fdflags,
}

impl Open {
    pub const READ: Self = Self::with(0, RIGHTS_FD_READ);
    pub const WRITE: Self = Self::with(0, RIGHTS_FD_WRITE);
    pub const CREATE: Self = Self::with(OFLAGS_CREAT, RIGHTS_FD_WRITE);
    pub const TRUNCATE: Self = Self::with(OFLAGS_TRUNC, RIGHTS_FD_WRITE);
    pub const DIRECTORY: Self = Self::with(OFLAGS_DIRECTORY, RIGHTS_FD_READDIR | RIGHTS_PATH_OPEN);
    pub const APPEND: Self = Self { fdflags: FDFLAGS_APPEND, ..Self::WRITE };

    const fn with(flags: Oflags, rights: Rights) -> Self {
        Self { flags, rights, fdflags: 0 }
    }
}

/// A directory of the guest's. Never closed: an attack is short.
#[derive(Clone, Copy, PartialEq)]
pub struct Dir(pub Fd);

// SAFETY, for every call in this block: the wrappers of wasip1 pass on a pointer and a length of a
// borrow that outlives the call; the host checks descriptor, flags and path.
impl Dir {
    /// The directory that the host has granted under this very name.
    pub fn granted(path: &str) -> Option<Self> {
        (3..).map_while(prestat_name).find(|(_, name)| name == path).map(|(dir, _)| dir)
    }

    pub fn open(self, path: &str, open: Open) -> Attempt<Fd> {
        let follow = LOOKUPFLAGS_SYMLINK_FOLLOW;
        let Open { flags, rights, fdflags } = open;
        Ok(unsafe { path_open(self.0, follow, path, flags, rights, rights, fdflags) }?)
    }

    pub fn open_dir(self, path: &str) -> Attempt<Self> {
        self.open(path, Open::DIRECTORY).map(Self)
    }

    /// The first 4 KiB of a file.
    pub fn read(self, path: &str) -> Attempt<String> {
        read_fd(self.open(path, Open::READ)?)
    }

    pub fn write(self, path: &str, open: Open, content: &str) -> Attempt {
        write_fd(self.open(path, open)?, content)
    }

    pub fn stat(self, path: &str) -> Attempt<Filestat> {
        Ok(unsafe { path_filestat_get(self.0, LOOKUPFLAGS_SYMLINK_FOLLOW, path) }?)
    }

    pub fn symlink(self, target: &str, path: &str) -> Attempt {
        Ok(unsafe { path_symlink(target, self.0, path) }?)
    }

    /// `follow`: whether a symlink at `from` is followed first.
    pub fn link(self, follow: bool, from: &str, to: &str) -> Attempt {
        let flags = if follow { LOOKUPFLAGS_SYMLINK_FOLLOW } else { 0 };
        Ok(unsafe { path_link(self.0, flags, from, self.0, to) }?)
    }

    pub fn rename(self, from: &str, to: &str) -> Attempt {
        Ok(unsafe { path_rename(self.0, from, self.0, to) }?)
    }

    pub fn unlink(self, path: &str) -> Attempt {
        Ok(unsafe { path_unlink_file(self.0, path) }?)
    }

    pub fn mkdir(self, path: &str) -> Attempt {
        Ok(unsafe { path_create_directory(self.0, path) }?)
    }

    pub fn rmdir(self, path: &str) -> Attempt {
        Ok(unsafe { path_remove_directory(self.0, path) }?)
    }

    /// Sets both times of a file to one second after the epoch, by its path.
    pub fn set_times(self, path: &str) -> Attempt {
        let flags = FSTFLAGS_ATIM | FSTFLAGS_MTIM;
        Ok(unsafe { path_filestat_set_times(self.0, 0, path, SECOND, SECOND, flags) }?)
    }

    /// The names of the symlinks that lie in this directory.
    pub fn symlinks(self) -> Vec<String> {
        let mut buffer = vec![0; 64 << 10];
        let read = unsafe { fd_readdir(self.0, buffer.as_mut_ptr(), buffer.len(), 0) };
        buffer.truncate(read.unwrap_or(0));
        entries(&buffer)
    }
}

/// The granted directory of that name, or exit code 64.
pub fn granted_or_exit(path: &str) -> Dir {
    Dir::granted(path).unwrap_or_else(|| {
        eprintln!("no directory is granted as {path:?}");
        std::process::exit(64)
    })
}

const SECOND: Timestamp = 1_000_000_000;

/// `fd_readdir` fills the buffer with records: a header of 24 bytes, then the name.
/// The header holds the name's length at 16 and the file's type at 20.
fn entries(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<24>() {
        let length = u32::from_le_bytes([header[16], header[17], header[18], header[19]]) as usize;
        let Some((name, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if header[20] == FILETYPE_SYMBOLIC_LINK.raw() {
            names.push(String::from_utf8_lossy(name).into_owned());
        }
        bytes = rest;
    }
    names
}

fn prestat_name(fd: Fd) -> Option<(Dir, String)> {
    // SAFETY: a directory is the only kind of prestat that there is; the name goes into a buffer of
    // the length that the host has just told.
    unsafe {
        let length = fd_prestat_get(fd).ok()?.u.dir.pr_name_len;
        let mut name = vec![0; length];
        fd_prestat_dir_name(fd, name.as_mut_ptr(), length).ok()?;
        Some((Dir(fd), String::from_utf8_lossy(&name).into_owned()))
    }
}

/// The first 4 KiB that a descriptor gives.
pub fn read_fd(fd: Fd) -> Attempt<String> {
    let mut buffer = vec![0; 4096];
    let parts = [Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() }];
    // SAFETY: the one part points into `buffer`, which outlives the call.
    let read = unsafe { fd_read(fd, &parts) }?;
    Ok(String::from_utf8_lossy(&buffer[..read]).into_owned())
}

pub fn write_fd(fd: Fd, content: &str) -> Attempt {
    let parts = [Ciovec { buf: content.as_ptr(), buf_len: content.len() }];
    // SAFETY: the one part points into `content`, which outlives the call.
    unsafe { fd_write(fd, &parts) }?;
    Ok(())
}

pub fn set_size(fd: Fd, bytes: u64) -> Attempt {
    // SAFETY: numbers only.
    Ok(unsafe { fd_filestat_set_size(fd, bytes) }?)
}

pub fn allocate(fd: Fd, bytes: u64) -> Attempt {
    // SAFETY: numbers only.
    Ok(unsafe { fd_allocate(fd, 0, bytes) }?)
}

pub fn set_times(fd: Fd) -> Attempt {
    // SAFETY: numbers only.
    Ok(unsafe { fd_filestat_set_times(fd, SECOND, SECOND, FSTFLAGS_ATIM | FSTFLAGS_MTIM) }?)
}

pub fn close(fd: Fd) -> Attempt {
    // SAFETY: the callers own the descriptor; std holds none of it.
    Ok(unsafe { fd_close(fd) }?)
}
