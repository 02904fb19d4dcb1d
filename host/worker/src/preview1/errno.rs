//! Error numbers of WASI 0.1, and which of them an error of the kernel is.

use rustix::io::Errno as Kernel;

/// An error as the guest is told it: the numbers of `errno` in `typenames.witx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Errno {
    Acces = 2,
    Again = 6,
    Badf = 8,
    Busy = 10,
    ConnAborted = 13,
    ConnReset = 15,
    Deadlk = 16,
    Dquot = 19,
    Exist = 20,
    Fbig = 22,
    Ilseq = 25,
    Intr = 27,
    Inval = 28,
    Io = 29,
    Isdir = 31,
    Loop = 32,
    Mfile = 33,
    Mlink = 34,
    NameTooLong = 37,
    Nfile = 41,
    Nodev = 43,
    Noent = 44,
    Nolck = 46,
    Nomem = 48,
    Nospc = 51,
    Notconn = 53,
    Notdir = 54,
    NotEmpty = 55,
    Notsock = 57,
    Notsup = 58,
    Notty = 59,
    Nxio = 60,
    Overflow = 61,
    Perm = 63,
    Pipe = 64,
    Range = 68,
    Rofs = 69,
    Spipe = 70,
    Stale = 72,
    TimedOut = 73,
    Txtbsy = 74,
    Xdev = 75,
}

/// All that calls on files and streams are documented to answer; anything else is "something went wrong".
impl From<Kernel> for Errno {
    fn from(errno: Kernel) -> Self {
        match errno {
            Kernel::ACCESS => Self::Acces,
            Kernel::AGAIN => Self::Again,
            Kernel::BADF => Self::Badf,
            Kernel::BUSY => Self::Busy,
            Kernel::CONNABORTED => Self::ConnAborted,
            Kernel::CONNRESET => Self::ConnReset,
            Kernel::DEADLK => Self::Deadlk,
            Kernel::DQUOT => Self::Dquot,
            Kernel::EXIST => Self::Exist,
            Kernel::FBIG => Self::Fbig,
            Kernel::ILSEQ => Self::Ilseq,
            Kernel::INTR => Self::Intr,
            Kernel::INVAL => Self::Inval,
            Kernel::ISDIR => Self::Isdir,
            Kernel::LOOP => Self::Loop,
            Kernel::MFILE => Self::Mfile,
            Kernel::MLINK => Self::Mlink,
            Kernel::NAMETOOLONG => Self::NameTooLong,
            Kernel::NFILE => Self::Nfile,
            Kernel::NODEV => Self::Nodev,
            Kernel::NOENT => Self::Noent,
            Kernel::NOLCK => Self::Nolck,
            Kernel::NOMEM => Self::Nomem,
            Kernel::NOSPC => Self::Nospc,
            Kernel::NOTCONN => Self::Notconn,
            Kernel::NOTDIR => Self::Notdir,
            Kernel::NOTEMPTY => Self::NotEmpty,
            Kernel::NOTSOCK => Self::Notsock,
            Kernel::NOTSUP | Kernel::NOSYS => Self::Notsup,
            Kernel::NOTTY => Self::Notty,
            Kernel::NXIO => Self::Nxio,
            Kernel::OVERFLOW => Self::Overflow,
            Kernel::PERM => Self::Perm,
            Kernel::PIPE => Self::Pipe,
            Kernel::RANGE => Self::Range,
            Kernel::ROFS => Self::Rofs,
            Kernel::SPIPE => Self::Spipe,
            Kernel::STALE => Self::Stale,
            Kernel::TIMEDOUT => Self::TimedOut,
            Kernel::TXTBSY => Self::Txtbsy,
            Kernel::XDEV => Self::Xdev,
            _ => Self::Io,
        }
    }
}

/// Why a call of the guest's came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The guest is told.
    Told(Errno),
    /// It passed a pointer that is none: that ends it.
    Pointer,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Told(errno)
    }
}

impl From<Kernel> for Failure {
    fn from(errno: Kernel) -> Self {
        Self::Told(errno.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_has_no_number_of_its_own_is_one_of_input_and_output() {
        assert_eq!(Errno::from(Kernel::MFILE) as u16, 33);
        assert_eq!(Errno::from(Kernel::XDEV) as u16, 75);
        assert_eq!(Errno::from(Kernel::CHILD), Errno::Io);
    }
}
