//! Which system calls a process may make: tables, and a reason for each line. No code decides anything.
//!
//! A table is read from above: the first rule of a call whose conditions all hold gives the answer. A call
//! that no rule answers kills the process; in the one table that takes away from another, it is allowed ([`otherwise`]).
//!
//! A filter sees numbers, not the data behind pointers. Paths, socket addresses and the argument of openat2(2) are held
//! by the other walls.

use super::filter::{Filter, Peers};
use libc::{c_long, c_ulong};

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) number: u32,
    /// All of them have to hold. None: always.
    pub(super) conditions: &'static [Condition],
    pub(super) action: Action,
    /// Who needs the call, and for what.
    pub(super) reason: &'static str,
}

/// Holds where `argument & mask == equals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// Counted from 0; a system call has at most six.
    pub(super) argument: u8,
    pub(super) mask: u64,
    pub(super) equals: u64,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    /// It is not made; the caller is told this errno.
    Errno(u16),
    /// The end of the process.
    Kill,
}

/// The whole of an argument that the kernel takes as a long or as a pointer.
const fn long(argument: u8, equals: u64) -> Condition {
    Condition { argument, mask: u64::MAX, equals }
}

/// An argument that the kernel takes as an int: it does not look at the upper half, and nor do we.
const fn int(argument: u8, equals: i32) -> Condition {
    int_bits(argument, -1, equals)
}

/// Bits of an argument that the kernel takes as an int.
const fn int_bits(argument: u8, mask: i32, equals: i32) -> Condition {
    Condition { argument, mask: word(mask), equals: word(equals) }
}

/// An argument that the kernel takes as an int has no bit outside of these.
const fn int_at_most(argument: u8, bits: i32) -> Condition {
    int_bits(argument, !bits, 0)
}

/// The same for a futex's operation: which thread it concerns and by which clock is left open.
const fn futex(operation: i32) -> Condition {
    int_bits(1, !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME), operation)
}

/// An int that may be an open descriptor: not below 0, as AT_FDCWD is.
const fn descriptor(argument: u8) -> Condition {
    int_bits(argument, i32::MIN, 0)
}

/// The argument has no bit outside of these.
const fn max_of(argument: u8, bits: i32) -> Condition {
    Condition { argument, mask: !word(bits), equals: 0 }
}

/// An int as it lies in the lower half of a register.
const fn word(int: i32) -> u64 {
    int.cast_unsigned() as u64
}

#[expect(clippy::cast_possible_truncation, reason = "a call's number is below 1000")]
const fn number(call: c_long) -> u32 {
    call.cast_unsigned() as u32
}

/// An errno as a filter answers it.
#[expect(clippy::cast_possible_truncation, reason = "an errno is below 4096")]
const fn errno(errno: i32) -> u16 {
    errno.cast_unsigned() as u16
}

/// A command of `ioctl`, which musl's headers have as an int and others as a long.
#[expect(clippy::cast_possible_truncation, reason = "the kernel reads 32 bits")]
const fn command(ioctl: c_ulong) -> i32 {
    ioctl as i32
}

/// `CALL [conditions] => errno: reason;`, the middle two where there are any.
macro_rules! rules {
    ($($call:ident $([$($condition:expr),+])? $(=> $errno:ident)?: $reason:literal;)+) => {
        &[$(Rule {
            name: stringify!($call).split_at("SYS_".len()).1,
            number: number(libc::$call),
            conditions: &[$($($condition),+)?],
            action: rules!(@action $($errno)?),
            reason: $reason,
        }),+]
    };
    (@action) => { Action::Allow };
    (@action kill) => { Action::Kill };
    (@action $errno:ident) => { Action::Errno(errno(libc::$errno)) };
}

/// Bits of `openat`'s flags that decide what it may open.
pub(super) const OPEN_KIND: i32 =
    libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | libc::O_TMPFILE | libc::O_DIRECTORY;

/// More bits of them, which tell a listing from a step of a walk by hand.
pub(super) const LISTING_KIND: i32 = OPEN_KIND | libc::O_PATH | libc::O_NOFOLLOW;

/// RWF_APPEND, `linux/fs.h`.
const RWF_APPEND: u64 = 0x10;

/// Readable and writable; never executable.
const DATA_PAGES: i32 = libc::PROT_READ | libc::PROT_WRITE;

/// Readable and executable; never writable.
const CODE_PAGES: i32 = libc::PROT_READ | libc::PROT_EXEC;

/// A process's own pages, of a file or of none, which RLIMIT_DATA counts as soon as they can be written. Not among them:
/// MAP_SHARED, which it never counts, and what grows by itself, is locked, filled at once, or made of huge pages.
const PRIVATE_PAGES: Condition = Condition {
    argument: 3,
    mask: !word(libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE | libc::MAP_STACK),
    equals: word(libc::MAP_PRIVATE),
};

/// What the memory of an object is mapped with: by all that share it, and nothing beside it.
const SHARED_PAGES: Condition = long(3, word(libc::MAP_SHARED));

/// What flags of an open file may not become: signals to whoever asked for them once, and pipes whose reader loses what it
/// does not read at once. Both would reach whoever else has the same open file.
const NEITHER_SIGNALS_NOR_PACKETS: Condition = int_bits(2, libc::O_ASYNC | libc::O_DIRECT, 0);

/// Flags of an open file without O_NONBLOCK: the file's calls would wait.
const WAITS: Condition = int_bits(2, libc::O_NONBLOCK, 0);

/// How a packet or a frame is sent: never out of band (MSG_OOB), never without a copy (MSG_ZEROCOPY).
const SENDING: i32 = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;

/// What glibc's pthread_create(3) passes to clone(2), no more and no less. CLONE_DETACHED does nothing.
const THREAD: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID;

/// A worker: the spawner's child and the first process of a pid namespace, with a pidfd. Beside
/// CLONE_PARENT the signal at exit is the caller's own, whatever is asked for, so that 0 is enough.
pub(super) const WORKER: i32 = libc::CLONE_PARENT | libc::CLONE_NEWPID | libc::CLONE_PIDFD;

/// MADV_GUARD_INSTALL and MADV_GUARD_REMOVE, `asm-generic/mman-common.h`, from Linux 6.13 on.
const GUARD_INSTALL: i32 = 102;
const GUARD_REMOVE: i32 = 103;

/// Flags of memfd_create(2): no huge pages. MFD_NOEXEC_SEAL, `linux/memfd.h`, is unknown before Linux 6.3.
const MEMORY: i32 = (libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | 0x8).cast_signed();

/// What every worker does with the files that it was given or has opened.
const OPEN_FILES: &[Rule] = rules! {
    SYS_read: "input";
    SYS_write: "output";
    SYS_readv: "input into several buffers";
    SYS_writev: "output from several buffers; also how the runtime prints a panic";
    SYS_pread64: "input at an offset";
    SYS_pwrite64: "output at an offset";
    SYS_preadv: "input at an offset, into several buffers";
    SYS_pwritev: "output at an offset, from several buffers";
    SYS_pwritev2 [long(5, RWF_APPEND)]: "output at a file's end, and nothing else that its flags can do";
    SYS_close: "an fd that is done with";
    SYS_lseek: "an offset of its own files";
    SYS_fstat: "kind and size of a file that it has open";
    SYS_ftruncate: "length of a file that it may write; Landlock holds the right to the fd";
    SYS_fcntl [int(1, libc::F_GETFL)]: "is this fd for reading, for writing, non-blocking?";
    SYS_fcntl [int(1, libc::F_SETFL), NEITHER_SIGNALS_NOR_PACKETS]: "non-blocking mode, append mode";
    SYS_fcntl [int(1, libc::F_GETFD)]: "is this fd open?";
    SYS_fcntl [int(1, libc::F_SETFD)]: "close-on-exec";
    SYS_fcntl [int(1, libc::F_DUPFD_CLOEXEC)]: "a second fd of the same file: the event loop's, a cloned handle";
    SYS_ioctl [int(1, command(libc::TCGETS))]: "is this fd a terminal? No other command, none that types into one";
    SYS_poll: "waiting for streams";
    SYS_ppoll: "waiting for streams, to the nanosecond";
    SYS_sendto [int_at_most(3, SENDING), long(4, 0)]: "the channel to the coordinator, which is connected: no address";
    SYS_recvfrom [int(3, 0), long(4, 0)]: "the channel to the coordinator";
};

/// Memory as data.
const DATA: &[Rule] = rules! {
    SYS_mmap [max_of(2, DATA_PAGES), PRIVATE_PAGES]: "memory for the guest and the allocator; nothing executable, nothing \
        that no limit counts";
    SYS_mprotect [max_of(2, DATA_PAGES)]: "growing a guest's memory, guard pages; nothing executable";
    SYS_munmap: "giving memory back";
    SYS_mremap [max_of(3, libc::MREMAP_MAYMOVE)]: "growing an allocation; keeps its protection";
    SYS_brk: "the allocator's heap";
    SYS_madvise [int(2, libc::MADV_DONTNEED)]: "clearing memory, and what the allocator gives back";
    SYS_madvise [int(2, libc::MADV_FREE)]: "memory that the allocator may lose";
};

/// Time, locks, signals to itself, randomness, and the end.
const SELF: &[Rule] = rules! {
    SYS_futex [futex(libc::FUTEX_WAIT)]: "locks: nothing that inherits priorities, moves waiters or computes";
    SYS_futex [futex(libc::FUTEX_WAKE)]: "the same";
    SYS_futex [futex(libc::FUTEX_WAIT_BITSET)]: "the same, until a time";
    SYS_futex [futex(libc::FUTEX_WAKE_BITSET)]: "the same";
    SYS_sched_yield: "a lock that spins before it sleeps";
    SYS_clock_gettime: "clocks that the vDSO does not serve: CPU time";
    SYS_clock_getres: "a guest asks how fine a clock is";
    SYS_clock_nanosleep: "sleeping";
    SYS_restart_syscall: "the kernel's own, when a sleep goes on after SIGSTOP and SIGCONT, a freeze or a suspend";
    SYS_setitimer [int(0, libc::ITIMER_REAL)]: "the limit of wall time";
    SYS_timer_settime: "the limit of CPU time: starting and stopping the timer that was made before this filter";
    SYS_sigaltstack: "the stack for the handler of a guest's stack overflow";
    SYS_rt_sigreturn: "the end of a signal handler: traps arrive as signals";
    SYS_rt_sigaction: "abort puts SIGABRT back to its default";
    SYS_rt_sigprocmask: "abort unblocks SIGABRT; a new thread starts with signals blocked";
    SYS_getpid: "abort names itself";
    SYS_gettid: "abort names its thread";
    SYS_tgkill => EPERM: "abort signals itself, and without a signal ends by an instruction that nobody may execute, which is how a \
        worker ends anyway: the first process of a pid namespace ignores SIGABRT. Without root, all of a person's workers have \
        one id, so that a signal could reach the others";
    SYS_getrandom: "random numbers for the guest and for hash maps";
    SYS_exit: "the end of a thread";
    SYS_exit_group: "the end";
};

/// What a guest's worker opens from a descriptor. It stands before [`PATHS`], and in no zygote's table: of two filters
/// that answer with an errno the kernel takes the later one's (seccomp(2)).
///
/// After four EAGAIN of openat2 (a rename or a mount anywhere on the machine while it resolved a `..`: nobody's
/// fault), or one EPERM (an immutable file), the engine's library begins to walk the path itself: openat, step by
/// step, each from the descriptor before. It is not let to, and not killed for it: EALREADY, which no call on
/// files gives and which the library passes on (of EAGAIN it would make EIO), tells the worker (`component::paths`)
/// that it tried.
const WALK: &[Rule] = rules! {
    SYS_openat [descriptor(0), int_bits(2, LISTING_KIND, libc::O_DIRECTORY | libc::O_NOFOLLOW)]: "`.` of an open \
        directory, to list it";
    SYS_openat [descriptor(0)] => EALREADY: "a step of a walk by hand: answered, never taken";
};

/// Names below the granted directories. Landlock and the mounts hold which, and what for.
pub(super) const PATHS: &[Rule] = rules! {
    SYS_openat [int_bits(2, OPEN_KIND, libc::O_DIRECTORY)]: "a directory for reading, never a file and nothing new: \
        how the engine opens a granted directory";
    SYS_faccessat2 => EALREADY: "a walk by hand asks it at each `.` and `..`";
    SYS_openat2: "every other open of a guest, with RESOLVE_BENEATH";
    SYS_fchdir: "the engine opens a granted directory as `.`, which it first has to be";
    SYS_statx: "attributes of a name or of an open file";
    SYS_newfstatat: "the same, as older libraries ask";
    SYS_readlinkat: "where a symbolic link points";
    SYS_getdents64: "the entries of a directory";
    SYS_mkdirat: "a new directory";
    SYS_unlinkat: "removing a file or a directory";
    SYS_renameat: "a new name";
    SYS_linkat: "a second name";
    SYS_symlinkat: "a symbolic link";
    SYS_utimensat: "times of a file; the one change of attributes that there is: never chmod, chown, setxattr";
    SYS_fsync: "a guest makes a file durable";
    SYS_fdatasync: "a guest makes a file's content durable";
    SYS_fadvise64: "a guest says how it is going to read";
};

/// Threads as glibc makes them.
const THREADS: &[Rule] = rules! {
    SYS_clone [long(0, word(THREAD))]: "a thread of this process, and nothing else that clone can make";
    SYS_clone3 => ENOSYS: "its flags lie behind a pointer; told that there is no such call, glibc uses clone";
    SYS_set_robust_list: "a new thread: locks that it would leave behind";
    SYS_rseq: "a new thread: which CPU it runs on";
    SYS_sched_getaffinity: "how many CPUs there are: arenas of the allocator, bounds of a new thread's stack";
    SYS_prctl [int(0, libc::PR_SET_NAME)]: "the name of a new thread";
    SYS_madvise [int(2, GUARD_INSTALL)]: "the guard of a new thread's stack, glibc 2.42 and newer";
    SYS_madvise [int(2, GUARD_REMOVE)]: "a stack that is used again with a smaller guard";
};

/// Packets, with descriptors beside them: a component's connections to other jobs, and a zygote's sockets. They are
/// socketpairs that others have made.
const PACKETS: &[Rule] = rules! {
    SYS_sendmsg [int_at_most(2, SENDING)]: "a packet, and what is beside it; the socket is connected: an address is an error";
};

/// Descriptors that others send: beside packets, and those of objects beside what the coordinator says.
const DESCRIPTORS: &[Rule] = rules! {
    SYS_recvmsg [int_at_most(2, libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT)]: "a packet or bytes, and the descriptors beside it";
};

/// The end of connections. A worker with sockets closes them instead: whoever shuts down a socket on which several listen ends it
/// for all of them.
const ENDS: &[Rule] = rules! {
    SYS_shutdown: "the end of a connection; what was sent still arrives";
};

/// Connections to other jobs. Only components have the host functions for them.
const CONNECTIONS: &[Rule] = rules! {
    SYS_fcntl [int(1, libc::F_GET_SEALS)]: "the check that the memory beside a packet does not change any more";
};

/// Waiting for clients, whose connections are given to a worker that serves. It reads, writes and ends them as it does other
/// sockets; it accepts none, opens none, and asks nobody where one comes from.
const CLIENTS: &[Rule] = rules! {
    SYS_epoll_create1 [int(0, libc::EPOLL_CLOEXEC)]: "the event loop";
    SYS_eventfd2 [int(0, 0), int(1, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)]: "how another thread wakes the event loop";
    SYS_epoll_ctl: "a connection that is to be waited for, or no longer";
    SYS_epoll_wait: "waiting for all of them";
};

/// Sockets of TCP that a worker was given or that others passed on, and what it accepts from them. It makes none, binds none,
/// connects none, shuts none down and sets no option of any; Landlock and the empty network namespace say the same of the first
/// three. What it is sent or sends has no address, and no flag that opens a connection.
const SOCKETS: &[Rule] = rules! {
    SYS_accept4 [int_at_most(3, libc::SOCK_CLOEXEC)]: "a client of a socket on which it listens";
    SYS_recvfrom [int_at_most(3, libc::MSG_DONTWAIT | libc::MSG_PEEK), long(4, 0)]: "what a client sent, and a look at it";
    SYS_getsockopt [int(1, libc::SOL_SOCKET), int(2, libc::SO_DOMAIN)]: "is what was passed on of the internet?";
    SYS_getsockopt [int(1, libc::SOL_SOCKET), int(2, libc::SO_TYPE)]: "is it a stream?";
    SYS_getsockopt [int(1, libc::SOL_SOCKET), int(2, libc::SO_PROTOCOL)]: "is it TCP?";
    SYS_getsockopt [int(1, libc::SOL_SOCKET), int(2, libc::SO_ACCEPTCONN)]: "does it listen?";
    SYS_getsockname: "where it listens";
    SYS_getpeername: "who its client is";
};

/// What nobody does to the sockets that all workers of a job have in common. It stands before [`OPEN_FILES`]. Answered and not
/// killed: a guest may ask for flags of its files (WASI 0.1, `fd_fdstat_set_flags`), and a filter can't tell those from sockets.
const COMMON: &[Rule] = rules! {
    SYS_fcntl [int(1, libc::F_SETFL), NEITHER_SIGNALS_NOR_PACKETS, WAITS] => EPERM: "the flag O_NONBLOCK of a listener belongs to all who have it, and accept4 \
        has none of its own: without it others would wait there for as long as no client comes";
};

/// The memory of objects, which several processes have. Whoever keeps a group's objects has allocated it, so that the group's
/// cgroup pays.
const SHARED: &[Rule] = rules! {
    SYS_mmap [max_of(2, DATA_PAGES), SHARED_PAGES, descriptor(4)]: "the memory of an object, from its descriptor; nothing \
        executable, nothing at a place that is chosen";
};

/// Waiting for an object, of workers that use any.
const WAITING: &[Rule] = rules! {
    SYS_futex_waitv [int(1, 2), int(2, 0)]: "waiting for a word of an object, and for the word that says stop; an older \
        kernel has no such call, and says so";
};

/// What keeps the objects of a group, without a guest: it is told of them on its channel, and has nothing else. Its heap is
/// small.
const KEEPING: &[Rule] = rules! {
    SYS_fallocate [int(1, 0)]: "an object's memory is allocated by whoever keeps it, and the group's cgroup pays";
};
const KEEPER: &[Rule] = rules! {
    SYS_close: "the descriptor of memory that has been mapped";
    SYS_fstat: "how large that memory is";
    SYS_sendto [int_at_most(3, SENDING), long(4, 0)]: "the channel to the coordinator, which is connected: no address";
    SYS_ppoll: "waiting for the coordinator, until it is time to look once more whether a member has left an object";
    SYS_mmap [max_of(2, DATA_PAGES), PRIVATE_PAGES]: "memory for the allocator";
    SYS_munmap: "an object that is forgotten; giving memory back";
    SYS_mremap [max_of(3, libc::MREMAP_MAYMOVE)]: "growing an allocation; keeps its protection";
    SYS_brk: "the allocator's heap";
    SYS_madvise [int(2, libc::MADV_DONTNEED)]: "what the allocator gives back";
    SYS_futex [futex(libc::FUTEX_WAKE)]: "those who wait for what the dead have held";
    SYS_clock_gettime: "clocks that the vDSO does not serve";
    SYS_getrandom: "seeds of hash maps";
    SYS_exit_group: "the end";
};

/// Unnamed memory for large messages, where a cgroup counts it: RLIMIT_DATA does not, and it lives on in a socket. A zygote
/// makes such memory out of the data of a component's memories.
const MEMORY_OF_ITS_OWN: &[Rule] = rules! {
    SYS_memfd_create [max_of(1, MEMORY)]: "unnamed memory for a message that is larger than a packet; never executable by \
        a path, since there is none";
    SYS_fcntl [int(1, libc::F_ADD_SEALS)]: "such memory does not change any more";
};

/// The compiler was given its input and output and has no directory. Nothing is opened: questions about names
/// are answered as if there were none, because the C library and the standard library ask a few, do without an
/// answer, and ask only now and then, so that killing them would end an honest compilation by chance.
const NO_PATHS: &[Rule] = rules! {
    SYS_openat => ENOENT: "the allocator asks /proc whether memory is overcommitted before it shrinks a thread's heap; \
        whoever counts CPUs asks for its cgroup";
    SYS_statx => ENOSYS: "the standard library asks for the size of its input before it reads; without an answer it reads on";
    SYS_newfstatat => ENOSYS: "what it asks next";
};

/// What a zygote does beyond its workers: it clones them, and every worker builds its own walls before it gives up these
/// rights with its own filter.
const ZYGOTE: &[Rule] = rules! {
    SYS_openat => ENOENT: "what is not a directory for reading: refused and not killed for the compiler's sake. \
        A guest's own filter kills it";
    SYS_clone [long(0, word(WORKER))]: "a worker, and no other kind of process";
    SYS_recvfrom [int(3, libc::MSG_PEEK | libc::MSG_TRUNC), long(4, 0)]: "how long the spawner's next packet is";
    SYS_dup2: "a worker's streams become its fds 0, 1 and 2";
    SYS_close_range: "a worker keeps only its own fds";
    SYS_timer_create [int(0, libc::CLOCK_PROCESS_CPUTIME_ID)]: "a worker's limit of CPU time";
    SYS_setgroups: "a worker's identity: no supplementary groups";
    SYS_setresgid: "a worker's identity";
    SYS_setresuid: "a worker's identity";
    SYS_getuid: "a worker checks that the step is irreversible";
    SYS_getgid: "the same";
    SYS_capget: "a worker checks that it has no capability";
    SYS_capset: "a worker gives up its capabilities";
    SYS_prctl [int(0, libc::PR_SET_NO_NEW_PRIVS)]: "needed by Landlock and by this wall";
    SYS_prctl [int(0, libc::PR_SET_DUMPABLE), long(1, 0)]: "a worker is not dumpable";
    SYS_prlimit64 [int(0, 0)]: "a worker's limits: its own, not another process's";
    SYS_landlock_create_ruleset: "a worker's Landlock wall";
    SYS_landlock_add_rule: "the directories in it";
    SYS_landlock_restrict_self: "raising it";
    SYS_seccomp [int(0, libc::SECCOMP_SET_MODE_FILTER.cast_signed()), int(1, 0)]: "a worker's own filter; no listener, nothing for other threads";
};

/// What a zygote does beyond that to load a compiled module.
const CODE: &[Rule] = rules! {
    SYS_mmap [long(2, word(CODE_PAGES)), long(3, word(libc::MAP_PRIVATE | libc::MAP_FIXED)), descriptor(4)]: "the code of the \
        compiled module, from its file and over what was mapped of it before: those pages were never writable";
};

/// What a zygote gives up when its module is loaded, for itself and for its workers.
const LOADED: &[Rule] = rules! {
    SYS_mmap [int_bits(2, libc::PROT_EXEC, libc::PROT_EXEC)] => kill: "all code is there";
};

/// The table of a filter.
pub(super) fn rules(filter: Filter) -> Vec<Rule> {
    let tables: &[&[Rule]] = match filter {
        Filter::Zygote => &[OPEN_FILES, DATA, SELF, PATHS, THREADS, PACKETS, DESCRIPTORS, ZYGOTE],
        Filter::KeeperZygote => {
            &[OPEN_FILES, DATA, SELF, PATHS, THREADS, PACKETS, DESCRIPTORS, ZYGOTE, SHARED, KEEPING]
        }
        Filter::Loader { objects, peers } => {
            return [in_common(peers), loader(&beside(objects, peers)).as_slice()].concat();
        }
        Filter::Loaded => &[LOADED],
        Filter::Worker { objects, sockets } => {
            let objects: &[&[Rule]] = if objects { &[DESCRIPTORS, SHARED, WAITING] } else { &[] };
            let (common, sockets): (&[&[Rule]], &[&[Rule]]) =
                if sockets { (&[COMMON], &[SOCKETS]) } else { (&[], &[]) };
            return [common, &[OPEN_FILES, DATA, SELF, WALK, PATHS], objects, sockets].concat().concat();
        }
        Filter::Component { counted, objects, peers } => {
            let memory: &[&[Rule]] = if counted { &[MEMORY_OF_ITS_OWN] } else { &[] };
            let ends: &[&[Rule]] = if peers == Peers::Sockets { &[] } else { &[ENDS] };
            let more = component(&[ends, memory, &beside(objects, peers)].concat());
            return [in_common(peers), more.as_slice()].concat();
        }
        Filter::Compiler => &[OPEN_FILES, DATA, SELF, THREADS, NO_PATHS],
        Filter::Keeper => &[KEEPER, KEEPING, DESCRIPTORS, SHARED],
    };
    tables.concat()
}

/// What objects and peers need.
fn beside(objects: bool, peers: Peers) -> Vec<&'static [Rule]> {
    let objects: &[&[Rule]] = if objects { &[SHARED, WAITING] } else { &[] };
    let peers: &[&[Rule]] = match peers {
        Peers::None => &[],
        Peers::Clients => &[CLIENTS],
        Peers::Sockets => &[SOCKETS],
    };
    [objects, peers].concat()
}

/// What comes before all else.
fn in_common(peers: Peers) -> &'static [Rule] {
    match peers {
        Peers::None | Peers::Clients => &[],
        Peers::Sockets => COMMON,
    }
}

/// A zygote that loads a module, with more tables.
fn loader(more: &[&[Rule]]) -> Vec<Rule> {
    const TABLES: [&[Rule]; 11] =
        [OPEN_FILES, DATA, SELF, PATHS, THREADS, PACKETS, DESCRIPTORS, ENDS, CONNECTIONS, MEMORY_OF_ITS_OWN, ZYGOTE];
    [TABLES.concat(), CODE.to_vec(), more.concat()].concat()
}

/// A worker that runs a component, with more tables.
fn component(more: &[&[Rule]]) -> Vec<Rule> {
    const TABLES: [&[Rule]; 8] = [OPEN_FILES, DATA, SELF, WALK, PATHS, THREADS, PACKETS, DESCRIPTORS];
    [TABLES.concat(), CONNECTIONS.to_vec(), more.concat()].concat()
}

/// What happens to a call that no rule answers. A list of what is allowed kills; one that only takes away from another
/// filter leaves it to that.
pub(super) const fn otherwise(filter: Filter) -> Action {
    match filter {
        Filter::Zygote
        | Filter::Loader { .. }
        | Filter::KeeperZygote
        | Filter::Worker { .. }
        | Filter::Component { .. }
        | Filter::Compiler
        | Filter::Keeper => Action::Kill,
        Filter::Loaded => Action::Allow,
    }
}
