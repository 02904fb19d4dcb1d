//! Descriptors by their numbers: the three standard streams, those that a process was started with, and those that one that has
//! just begun does without.
//!
//! A number is no owner. So each function here either names numbers that no value can own, or takes over what nobody owns yet, or
//! wants a proof.

use super::single_threaded::SingleThreaded;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, tell};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// One of the descriptors 0, 1 and 2. They are open from a process's first line to its end, for the standard library opens
/// `/dev/null` where one was closed, and no value owns them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StandardStream {
    Stdin,
    Stdout,
    Stderr,
}

impl StandardStream {
    /// In the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Stdin, Self::Stdout, Self::Stderr];

    #[must_use]
    pub const fn number(self) -> RawFd {
        match self {
            Self::Stdin => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    #[must_use]
    pub const fn borrow(self) -> BorrowedFd<'static> {
        // SAFETY: it is open until the process ends: nothing here closes it, and `replace` puts another one into its place in one
        // step. A newborn process that closes it (`close_range`) has said that it goes on without.
        unsafe { BorrowedFd::borrow_raw(self.number()) }
    }

    /// Makes it another name of `file`, which an exec keeps.
    ///
    /// # Errors
    /// As dup2(2).
    pub fn replace(self, file: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: takes no pointer. No value owns the number that is replaced.
        if unsafe { libc::dup2(file.as_raw_fd(), self.number()) } == -1 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Whether two of them are one thing: the same open file, pipe, socket or terminal, so that what is written to both keeps its
    /// order. One file that was opened twice is one thing where both append, or stand at the same place.
    #[must_use]
    pub fn is_same_file(self, other: Self) -> bool {
        // kcmp(2), which a kernel may lack and a container forbid.
        const KCMP_FILE: libc::c_int = 0;
        let process = std::process::id();
        let [first, second] = [self, other].map(|stream| libc::c_ulong::from(stream.number().cast_unsigned()));
        // SAFETY: takes numbers only, and compares without changing anything.
        if unsafe { libc::syscall(libc::SYS_kcmp, process, process, KCMP_FILE, first, second) } == 0 {
            return true;
        }
        let (one, other) = (self.borrow(), other.borrow());
        let (Ok(first), Ok(second)) = (fstat(one), fstat(other)) else { return false };
        if (first.st_dev, first.st_ino) != (second.st_dev, second.st_ino) {
            return false;
        }
        if FileType::from_raw_mode(first.st_mode) != FileType::RegularFile {
            return true;
        }
        let appends = |fd| fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::APPEND));
        let offset = |fd| tell(fd).ok();
        appends(one) && appends(other) || offset(one) == offset(other)
    }
}

/// Takes over a descriptor that this process was started with. `None` for a standard stream, for a number that is not open, and
/// for one that somebody in this process has: what was passed through an exec has no close-on-exec flag, and all that a process
/// of ours opens itself has it. It is set here, so that each descriptor is given out once.
pub fn inherited(number: RawFd) -> Option<OwnedFd> {
    /// Between the look at the flag and its setting nobody else looks.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if number <= StandardStream::Stderr.number() {
        return None;
    }
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // SAFETY: borrowed for two calls that only ask for and set its flags; one that is not open is EBADF.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(fd).ok()?;
    if flags.contains(FdFlags::CLOEXEC) {
        return None;
    }
    fcntl_setfd(fd, flags | FdFlags::CLOEXEC).ok()?;
    // SAFETY: it is open, and nobody owns it: an owner's descriptor has the flag, which has just been set for the first time.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Proof that this process has just begun, as a copy of another one or as a program, and lays out its descriptors.
///
/// A copy has its maker's descriptors, and in its memory the values that own them there. Whoever has the proof decides with which
/// of them the process goes on. The values of all others are neither used nor dropped: such a process ends by
/// [`super::process::exit_now`], which drops nothing.
#[derive(Clone, Copy, Debug)]
pub struct Newborn {
    stays_on_its_thread: PhantomData<*const ()>,
}

impl Newborn {
    pub(super) const fn new() -> Self {
        Self { stays_on_its_thread: PhantomData }
    }

    /// Of a program that has been executed: once, before it has opened anything that it wants to keep. `None` ever after.
    #[must_use]
    pub fn of_program(_: &SingleThreaded) -> Option<Self> {
        static GIVEN: AtomicBool = AtomicBool::new(false);
        (!GIVEN.swap(true, Ordering::SeqCst)).then_some(Self::new())
    }
}

/// Closes every descriptor from `first` to `last`, both included, whoever owns it: see [`Newborn`].
///
/// # Errors
/// As close_range(2).
pub fn close_range(_proof: Newborn, first: u32, last: u32) -> io::Result<()> {
    // SAFETY: takes no pointer. The proof says that nothing which owns one of them is used or dropped any more.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether a descriptor of this number is open.
#[must_use]
pub fn is_open(number: RawFd) -> bool {
    // SAFETY: asks for flags by number and touches no memory of ours.
    unsafe { libc::fcntl(number, libc::F_GETFD) != -1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_child::in_child;
    use std::io::Write;
    use std::os::fd::{AsFd, IntoRawFd};

    #[test]
    fn what_was_passed_is_given_out_once_and_what_somebody_has_never() {
        let said = in_child(|file| {
            let own = std::fs::File::open("/dev/null").unwrap();
            let taken_from_its_owner = inherited(own.as_raw_fd()).is_some();
            let passed = rustix::io::dup(own.as_fd()).unwrap().into_raw_fd();
            let given = [inherited(passed), inherited(passed)].map(|fd| fd.map(IntoRawFd::into_raw_fd) == Some(passed));
            let others = [-1, 0, 1, 2, 999].map(|number| inherited(number).is_some());
            write!(file, "{taken_from_its_owner} {given:?} {others:?}").unwrap();
        });
        let expected = "false [true, false] [false, false, false, false, false]";
        assert_eq!(String::from_utf8(said).unwrap(), expected);
    }

    #[test]
    fn what_was_passed_goes_no_further() {
        let said = in_child(|file| {
            let null = std::fs::File::open("/dev/null").unwrap();
            let passed = rustix::io::dup(null.as_fd()).unwrap().into_raw_fd();
            let fd = inherited(passed).unwrap();
            write!(file, "{:?}", fcntl_getfd(fd).unwrap()).unwrap();
        });
        assert_eq!(String::from_utf8(said).unwrap(), format!("{:?}", FdFlags::CLOEXEC));
    }

    #[test]
    fn a_program_is_newborn_once() {
        let said = in_child(|file| {
            let token = SingleThreaded::claim().unwrap();
            let is = [Newborn::of_program(&token), Newborn::of_program(&token)].map(|proof| proof.is_some());
            write!(file, "{is:?}").unwrap();
        });
        assert_eq!(said, b"[true, false]");
    }
}
