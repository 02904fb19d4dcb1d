//! What `sandhog doctor` tries in a worker that is there for nothing else: calls that no safe crate offers, or that no
//! process of ours ever makes.
#![allow(unsafe_code)]

use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Bit of the numbers of the x32 entry (`__X32_SYSCALL_BIT`, asm/unistd.h).
const X32: u32 = 0x4000_0000;

/// The call of this number, with nothing but zeros. It is made to be killed for it: the coordinator starts no such
/// probe without the filter.
pub fn call(number: u32) -> Result<u64, Errno> {
    // SAFETY: null pointers and empty lengths give the kernel no memory of ours. What such a call can change is this
    // process, which does nothing afterwards but say that the call came back.
    answer(unsafe { libc::syscall(libc::c_long::from(number), 0, 0, 0, 0, 0, 0) })
}

/// The same by the x32 entry.
pub fn call_x32(number: u32) -> Result<u64, Errno> {
    call(number | X32)
}

/// getpid by the 32-bit entry, where its number is 20; on the 64-bit list that is writev, which is allowed.
pub fn getpid_by_32_bit_entry() -> Result<u64, Errno> {
    let mut result: i32 = 20;
    // SAFETY: getpid takes no argument and touches no memory. The 32-bit entry preserves no register from r8 to r11.
    unsafe {
        std::arch::asm!("int 0x80", inout("eax") result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    answer(result.into())
}

/// ptrace(2), PTRACE_SEIZE: traces a process without stopping it.
pub fn trace(pid: i32) -> Result<u64, Errno> {
    // SAFETY: takes numbers; the null address and data are what PTRACE_SEIZE without options asks for.
    answer(unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_SEIZE, pid, 0_usize, 0_usize) })
}

/// tgkill(2) with signal 0: asks whether the first thread of a process may be signalled.
pub fn signal_thread(pid: i32) -> Result<u64, Errno> {
    // SAFETY: takes numbers only.
    answer(unsafe { libc::syscall(libc::SYS_tgkill, pid, pid, 0) })
}

/// Writes a function that returns at once into memory of its own, makes that executable, and calls it.
pub fn execute_what_is_written() -> Result<u64, Errno> {
    /// `ret`.
    const RETURN: u8 = 0xc3;
    const PAGE: usize = 4096;
    let memory = map(PAGE, libc::MAP_PRIVATE)?;
    // SAFETY: the page was mapped just now, writable and for nobody else.
    unsafe { memory.write(RETURN) };
    // SAFETY: the same page; nothing else has to be able to write to it.
    answer(unsafe { libc::mprotect(memory.cast(), PAGE, libc::PROT_READ | libc::PROT_EXEC).into() })?;
    // SAFETY: it is executable, since the call above succeeded, and holds a function of this type: it only returns.
    let function = unsafe { std::mem::transmute::<*mut u8, extern "C" fn()>(memory) };
    function();
    Ok(0)
}

/// Maps memory that all descendants would share, and writes to each page of it.
pub fn fill_shared_mapping(size: usize) -> Result<u64, Errno> {
    let memory = map(size, libc::MAP_SHARED)?;
    // SAFETY: `size` bytes were mapped just now, writable and for nobody else.
    unsafe { memory.write_bytes(1, size) };
    Ok(0)
}

fn map(size: usize, how: i32) -> Result<*mut u8, Errno> {
    let (data, flags) = (libc::PROT_READ | libc::PROT_WRITE, how | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, where the kernel likes, which replaces nothing.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), size, data, flags, -1, 0) };
    if memory == libc::MAP_FAILED { answer(-1).map(|_| memory.cast()) } else { Ok(memory.cast()) }
}

/// futex(2), FUTEX_LOCK_PI: a lock that nobody holds.
pub fn lock_with_priority() -> Result<u64, Errno> {
    let mut lock = 0_u32;
    let lock = &raw mut lock;
    // SAFETY: the kernel writes one word, which outlives the call and of which nobody else knows; no time-out is given.
    answer(unsafe { libc::syscall(libc::SYS_futex, lock, libc::FUTEX_LOCK_PI, 0, std::ptr::null::<u8>(), 0, 0) })
}

/// timer_create(2), on a clock that a worker needs no timer of.
pub fn make_timer() -> Result<u64, Errno> {
    let mut timer: libc::c_int = 0;
    let event = std::ptr::null::<libc::sigevent>();
    // SAFETY: without an event the kernel reads nothing; it writes one number, which outlives the call.
    answer(unsafe { libc::syscall(libc::SYS_timer_create, libc::CLOCK_MONOTONIC, event, &raw mut timer) })
}

/// Executes a file below a directory. Returns only the error: ENOEXEC where it could be executed but is no program.
pub fn execute(directory: BorrowedFd<'_>, name: &CStr) -> Errno {
    let end = [std::ptr::null::<libc::c_char>()];
    // SAFETY: `name` ends with a zero, both arrays with a null; all live until the call returns.
    let result = unsafe {
        libc::syscall(libc::SYS_execveat, directory.as_raw_fd(), name.as_ptr(), end.as_ptr(), end.as_ptr(), 0)
    };
    answer(result).err().unwrap_or(Errno::NOEXEC)
}

/// Moves this process into a user namespace of its own, where it is root.
pub fn make_user_namespace() -> Result<u64, Errno> {
    // SAFETY: takes one number, and moves no fd and no memory.
    answer(unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER) })
}

/// bpf(2), BPF_MAP_CREATE: an array of one number.
pub fn make_bpf_map() -> Result<u64, Errno> {
    const MAP_CREATE: u32 = 0;
    const ARRAY: u32 = 2;
    // map_type, key_size, value_size, max_entries (linux/bpf.h, union bpf_attr)
    let attributes: [u32; 4] = [ARRAY, 4, 4, 1];
    // SAFETY: the kernel reads as many bytes as the array has, which outlives the call.
    answer(unsafe { libc::syscall(libc::SYS_bpf, MAP_CREATE, attributes.as_ptr(), size_of_val(&attributes)) })
}

/// keyctl(2), KEYCTL_GET_KEYRING_ID: the number of the session's keyring.
pub fn session_keyring() -> Result<u64, Errno> {
    // SAFETY: takes numbers only.
    answer(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_GET_KEYRING_ID, libc::KEY_SPEC_SESSION_KEYRING, 0) })
}

/// perf_event_open(2): counts this process's own context switches.
pub fn count_events() -> Result<u64, Errno> {
    const SOFTWARE: u32 = 1;
    const CONTEXT_SWITCHES: u64 = 3;
    // PERF_ATTR_SIZE_VER0 (linux/perf_event.h): type, size, config, and ten words that are 0.
    let mut attributes = [0_u64; 8];
    attributes[0] = u64::from(SOFTWARE) | 64 << 32;
    attributes[1] = CONTEXT_SWITCHES;
    // SAFETY: the kernel reads the 64 bytes that the attributes say they have, which outlive the call.
    answer(unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0) })
}

/// Forks a child that only sleeps. It is in the worker's pid namespace and ends with it.
pub fn fork_sleeper() -> Result<u64, Errno> {
    // SAFETY: no memory is shared; the child makes one kind of system call, for ever.
    match unsafe { libc::syscall(libc::SYS_fork) } {
        0 => loop {
            // SAFETY: takes nothing.
            unsafe { libc::pause() };
        },
        result => answer(result),
    }
}

/// Starts a thread that only sleeps.
pub fn start_sleeping_thread() -> Result<u64, Errno> {
    extern "C" fn sleep(_: *mut libc::c_void) -> *mut libc::c_void {
        loop {
            // SAFETY: takes nothing.
            unsafe { libc::pause() };
        }
    }
    let mut thread = 0;
    // SAFETY: null attributes are the default ones; the thread uses nothing of its starter's, and never ends before
    // the process does.
    match unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), sleep, std::ptr::null_mut()) } {
        0 => Ok(thread),
        errno => Err(Errno::from_raw_os_error(errno)),
    }
}

/// Whether a number is an open descriptor.
pub fn is_open(number: i32) -> bool {
    // SAFETY: F_GETFD takes no pointer and only asks.
    unsafe { libc::fcntl(number, libc::F_GETFD) != -1 }
}

/// Whether a number is a regular file that is open for writing.
pub fn is_writable_file(number: i32) -> bool {
    // SAFETY: a plain C structure for which zero bytes are a valid value.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills one structure that outlives the call; F_GETFL takes no pointer.
    let (known, flags) = unsafe { (libc::fstat(number, &raw mut status), libc::fcntl(number, libc::F_GETFL)) };
    known == 0 && status.st_mode & libc::S_IFMT == libc::S_IFREG && flags & libc::O_ACCMODE != libc::O_RDONLY
}

/// libc's answer as a result.
#[expect(clippy::cast_possible_truncation, reason = "an errno is below 4096, as its arm says")]
fn answer(result: libc::c_long) -> Result<u64, Errno> {
    match result {
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
        // By an entry of our own the kernel's answer comes as it is: the errno, negative.
        errno @ -4095..0 => Err(Errno::from_raw_os_error(-errno as i32)),
        result => Ok(result.unsigned_abs()),
    }
}
