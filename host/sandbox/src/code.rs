//! Memory that was ever writable never becomes code, by the kernel itself: PR_SET_MDWE, from Linux 6.3 on.
//!
//! The filter of system calls holds the same without it, as far as it sees: no call on its lists makes a mapping executable
//! that is there already. This also holds for whatever a later kernel adds.

use sandhog_sys::process;
use std::io;

#[derive(Debug, thiserror::Error)]
#[error("forbid that data becomes code")]
pub struct Error(#[source] io::Error);

/// For this process and all that it makes, for good. A kernel before 6.3 does not know it: nothing is done there.
pub fn refuse_what_was_writable() -> Result<(), Error> {
    match process::refuse_exec_gain() {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        done => done.map_err(Error),
    }
}

#[cfg(test)]
mod tests {
    use super::refuse_what_was_writable;
    use sandhog_sys::child::{self, Ended};

    #[test]
    fn what_was_writable_is_never_executable_and_a_file_is_mapped_as_code() {
        let is_there = child::run(|| i32::from(sandhog_sys::process::refuse_exec_gain().is_err()));
        if is_there != Ended::Exited(0) {
            eprintln!("code: this kernel has no PR_SET_MDWE (Linux 6.3), so that it was not tried");
            return;
        }
        let map = |protection: i32, flags: i32, fd: u64| {
            let (protection, flags) = (u64::from(protection.unsigned_abs()), u64::from(flags.unsigned_abs()));
            child::system_call(libc::SYS_mmap.unsigned_abs() as u32, [0, 4096, protection, flags, fd, 0])
        };
        let protect = |start: u64, protection: i32| {
            let call = libc::SYS_mprotect.unsigned_abs() as u32;
            child::system_call(call, [start, 4096, u64::from(protection.unsigned_abs()), 0, 0, 0])
        };
        let code = libc::PROT_READ | libc::PROT_EXEC;
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let ended = child::run(|| {
            use std::os::fd::AsRawFd;
            refuse_what_was_writable().unwrap();
            let data = map(libc::PROT_READ | libc::PROT_WRITE, anonymous, u64::MAX).unwrap();
            assert_eq!(protect(data, code), Err(libc::EACCES));
            assert_eq!(map(code | libc::PROT_WRITE, anonymous, u64::MAX), Err(libc::EACCES));
            let fd = u64::from(file.as_raw_fd().unsigned_abs());
            i32::from(map(code, libc::MAP_PRIVATE, fd).is_err())
        });
        assert_eq!(ended, Ended::Exited(0));
    }
}
