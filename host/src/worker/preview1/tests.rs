//! The calls that name a path, under the worker's filter, where the kernel does not come to an end with any.

use crate::worker::{
    engine,
    run::{Outside, run},
};
use crate::{
    ipc::FrameBuffer,
    sandbox::seccomp::{self, Filter},
    sys::{
        in_child::in_child,
        seccomp::{Instruction, add_filter},
    },
};
use rustix::fs::{MemfdFlags, memfd_create};
use sandhog_protocol::{
    frame,
    plan::{Access, GuestPlan, Kind},
    worker::{End, Report},
};
use std::{
    env,
    fs::{self, File},
    io::Write,
    os::fd::OwnedFd,
    process,
};

/// How [`CALLS`] ends under the worker's filter where openat2 always says `errno`.
fn calls_where_openat2_says(errno: i32) -> End {
    let file = compiled(CALLS);
    let folder = env::temp_dir().join(format!("sandhog-paths-{}-{errno}", process::id()));
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("x"), "x").unwrap();
    seccomp::prepare(Filter::Worker);
    let bytes = in_child(|answer| {
        let prepared = engine::load(false, Kind::Core, file).unwrap();
        let directory = OwnedFd::from(File::open(&folder).unwrap());
        rustix::thread::set_no_new_privs(true).unwrap();
        add_filter(&openat2_says(errno)).unwrap();
        seccomp::apply(Filter::Worker).unwrap();
        let outside = Outside {
            socket: crate::sys::process::borrow(0),
            buffer: FrameBuffer::default(),
            connection: None,
            large: sandhog_channel::Large::Memory,
        };
        let report = run(&prepared, &plan(), vec![(directory, Access::ReadWrite)], outside);
        answer.write_all(&frame::encode_body(&report).unwrap()).unwrap();
    });
    let kept = fs::read_to_string(folder.join("x"));
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(kept.unwrap(), "x");
    // Nothing: it was killed.
    frame::decode_body::<Report>(&bytes).expect("the worker lives").end
}

fn plan() -> GuestPlan {
    GuestPlan {
        args: vec!["test".to_owned()],
        env: Vec::new(),
        directories: vec!["/".to_owned()],
        memory_bytes: 1 << 20,
        timeout_ms: Some(60_000),
        cpu_ms: None,
        fuel: None,
        ..GuestPlan::default()
    }
}

fn compiled(text: &str) -> File {
    let bytes =
        engine::for_compiling(false, Kind::Core, false).unwrap().precompile_module(&wat::parse_str(text).unwrap());
    let mut file = File::from(memfd_create("compiled", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(&bytes.unwrap()).unwrap();
    file
}

/// All else is allowed. Opcodes: `linux/bpf_common.h`; answers: `linux/seccomp.h`.
fn openat2_says(errno: i32) -> [Instruction; 4] {
    let instruction = |code, on_false, value| Instruction { code, on_true: 0, on_false, value };
    let openat2 = u32::try_from(libc::SYS_openat2).unwrap();
    [
        instruction(0x20, 0, 0),
        instruction(0x15, 1, openat2),
        instruction(0x06, 0, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()),
        instruction(0x06, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// Each call on `sub/../x` (8 bytes at 0) in the granted directory, 3; new names are `sub/../y`, at 8. Then a
/// directory, `.`, and a file with a slash behind it, each opened in one step. Exits with
/// 0 where all of them say PERM, else with `100 * call + errno`.
const CALLS: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_set_times"
        (func $times (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_readlink" (func $readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_remove_directory" (func $rmdir (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "sub/../xsub/../y.x/")
    (func $perm (param $call i32) (param $errno i32)
        (if (i32.ne (local.get $errno) (i32.const 63))
            (then (call $exit (i32.add (i32.mul (i32.const 100) (local.get $call)) (local.get $errno))))))
    (func (export "_start")
        (call $perm (i32.const 1) (call $mkdir (i32.const 3) (i32.const 8) (i32.const 8)))
        (call $perm (i32.const 2)
            (call $stat (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 8) (i32.const 64)))
        (call $perm (i32.const 3) (call $times
            (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 8) (i64.const 1) (i64.const 1) (i32.const 5)))
        (call $perm (i32.const 4) (call $link
            (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 3) (i32.const 8) (i32.const 8)))
        (call $perm (i32.const 5) (call $open (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 8)
            (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 64)))
        (call $perm (i32.const 6) (call $open (i32.const 3) (i32.const 1) (i32.const 8) (i32.const 8)
            (i32.const 1) (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 64)))
        (call $perm (i32.const 7) (call $readlink
            (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 64) (i32.const 64) (i32.const 128)))
        (call $perm (i32.const 8) (call $rmdir (i32.const 3) (i32.const 0) (i32.const 8)))
        (call $perm (i32.const 9)
            (call $rename (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 3) (i32.const 8) (i32.const 8)))
        (call $perm (i32.const 10)
            (call $symlink (i32.const 0) (i32.const 8) (i32.const 3) (i32.const 8) (i32.const 8)))
        (call $perm (i32.const 11) (call $unlink (i32.const 3) (i32.const 0) (i32.const 8)))
        (call $perm (i32.const 12) (call $open (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 7)
            (i32.const 2) (i64.const 16384) (i64.const 0) (i32.const 0) (i32.const 64)))
        (call $perm (i32.const 13) (call $open (i32.const 3) (i32.const 1) (i32.const 16) (i32.const 1)
            (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 64)))
        (call $perm (i32.const 14) (call $open (i32.const 3) (i32.const 1) (i32.const 17) (i32.const 2)
            (i32.const 0) (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 64)))))"#;

#[test]
fn a_guest_whose_paths_are_never_resolved_lives_and_is_not_permitted() {
    for errno in [libc::EAGAIN, libc::EPERM] {
        assert_eq!(calls_where_openat2_says(errno), End::Exited { code: 0 }, "errno {errno}");
    }
}
