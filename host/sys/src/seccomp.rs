//! seccomp(2): loading a filter. What a filter says is not decided here.
#![allow(unsafe_code)]

use std::io;

/// One instruction of classic BPF, laid out as the kernel's `struct sock_filter`
/// (`linux/filter.h`, Documentation/networking/filter.rst).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    /// Instructions to skip when a comparison holds.
    pub on_true: u8,
    /// Instructions to skip when it does not.
    pub on_false: u8,
    pub value: u32,
}

const _: () = {
    assert!(size_of::<Instruction>() == size_of::<libc::sock_filter>());
    assert!(align_of::<Instruction>() == align_of::<libc::sock_filter>());
};

/// Adds `program` to the filters of the calling thread, for good. Threads and processes that it starts
/// later inherit it; other threads of the process do not get it.
///
/// # Errors
/// As seccomp(2): EACCES without `no_new_privs` and CAP_SYS_ADMIN, EINVAL for a program that the kernel
/// does not accept or that is longer than 4096 instructions.
pub fn add_filter(program: &[Instruction]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let description = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `description` points to `length` instructions in the kernel's layout (asserted above); both
    // are borrowed for the whole call, and the kernel copies the program and writes to neither.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const description) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
