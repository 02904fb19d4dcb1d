//! The first instructions of an executable, before those of the C library.
//!
//! An executable with random addresses begins by writing to every page of its relocated data. One madvise(2) for all of
//! them costs half of what the page faults do: 0.2 ms of a start, in which two programs begin. A kernel before Linux 5.14
//! refuses it, and the pages come one by one.
//!
//! Must not: touch what is not relocated yet, fail, change what the C library's own first instructions find.

// The file's head is there before anything else: its program headers say where the relocated data lies.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".globl sandhog_start",
    ".hidden __ehdr_start",
    ".type sandhog_start,@function",
    "sandhog_start:",
    // The stack pointer and rdx are all that the kernel hands over (x86-64 psABI, 3.4.1).
    "mov r12, rdx",
    "lea r8, [rip + __ehdr_start]",
    // e_phnum, e_phoff (elf(5)).
    "movzx ecx, word ptr [r8 + 56]",
    "mov r9, [r8 + 32]",
    "add r9, r8",
    "2:",
    "test ecx, ecx",
    "jz 4f",
    "cmp dword ptr [r9], {relocated}",
    "je 3f",
    "add r9, 56",
    "dec ecx",
    "jmp 2b",
    // p_vaddr and p_memsz, from the page in which they begin.
    "3:",
    "mov rdi, [r9 + 16]",
    "add rdi, r8",
    "mov rsi, [r9 + 40]",
    "mov rax, rdi",
    "and rdi, -4096",
    "sub rax, rdi",
    "add rsi, rax",
    "mov edx, {populate}",
    "mov eax, {madvise}",
    "syscall",
    "4:",
    "mov rdx, r12",
    "jmp _start",
    ".size sandhog_start, . - sandhog_start",
    relocated = const libc::PT_GNU_RELRO,
    populate = const libc::MADV_POPULATE_WRITE,
    madvise = const libc::SYS_madvise,
);
