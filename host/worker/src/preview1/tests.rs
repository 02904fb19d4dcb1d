//! The calls under the worker's filter: those that name a path, where the kernel does not come to an end with any; and all
//! of them, with whatever a guest may pass.

use super::{MODULE, link};
use crate::{
    attempt::Outside,
    engine,
    guest::{BadPointer, Guest},
    run::run,
    wasi,
};
use rustix::fs::{MemfdFlags, memfd_create};
use sandhog_engine::wasi1::{FUNCTIONS, signature};
use sandhog_ipc::FrameBuffer;
use sandhog_protocol::{
    frame,
    plan::{Access, GuestPlan, Kind, Metering},
    worker::{End, Report},
};
use sandhog_sandbox::seccomp::{self, Filter};
use sandhog_sys::{
    in_child::{become_stream, in_child},
    seccomp::{Instruction, add_filter},
};
use std::{
    fs::{self, File},
    io::Write,
    os::fd::OwnedFd,
};
use wasmtime::{Config, Engine, Func, Linker, Memory, MemoryType, Store, Val, ValType};

/// How [`CALLS`] ends under the worker's filter where openat2 always says `errno`.
fn calls_where_openat2_says(errno: i32) -> End {
    let file = compiled(CALLS);
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("x"), "x").unwrap();
    let bytes = in_child(|answer| {
        let prepared = engine::load(Metering::default(), Kind::Core, file).unwrap();
        let directory = OwnedFd::from(File::open(folder).unwrap());
        rustix::thread::set_no_new_privs(true).unwrap();
        add_filter(&openat2_says(errno)).unwrap();
        seccomp::apply(Filter::WORKER).unwrap();
        let outside = Outside {
            socket: sandhog_sys::descriptors::StandardStream::Stdin.borrow(),
            buffer: FrameBuffer::default(),
            connection: None,
            large: sandhog_channel::Large::Memory,
            coredump: None,
            listeners: Vec::new(),
        };
        let report = run(&prepared, &plan(), vec![(directory, Access::ReadWrite)], outside);
        answer.write_all(&frame::encode_body(&report).unwrap()).unwrap();
    });
    let kept = fs::read_to_string(folder.join("x"));
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
    let bytes = sandhog_compiler::engine::for_compiling(Metering::default(), Kind::Core, false)
        .unwrap()
        .precompile_module(&wat::parse_str(text).unwrap());
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

/// Numbers that are descriptors, flags, pointers and lengths, and none of that.
const WORDS: &[i32] =
    &[0, 1, 2, 3, 4, 5, 6, 8, 16, 24, 64, 100, 4096, 65_500, 65_532, 65_535, 65_536, i32::MAX, -1, -4, i32::MIN];
const LONG_WORDS: &[i64] = &[0, 1, 2, 3, 5, 64, 66, 16384, 1 << 32, 1 << 40, i64::MAX, -1, -2, i64::MIN];

/// A number from a sequence that is the same each time; Knuth's multiplier, `The Art of Computer Programming` 3.3.4.
fn pick<T: Copy>(seed: &mut u64, values: &[T]) -> T {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    values[usize::try_from(*seed >> 33).unwrap() % values.len()]
}

/// What the guest's memory holds before each call: names, lists of buffers that lie in it and some that do not, and zeros.
fn scene() -> Vec<u8> {
    let mut memory = vec![0; 65_536];
    for (at, name) in [(0, "sub"), (3, "/../x"), (8, "sub/"), (16, "../.."), (64, "x"), (100, "sub/new")] {
        memory[at..at + name.len()].copy_from_slice(name.as_bytes());
    }
    for (index, word) in [4096_u32, 100, 4100, 4096, 65_000, 536, 65_000, 537, u32::MAX, u32::MAX].iter().enumerate() {
        memory[4096 + index * 4..][..4].copy_from_slice(&word.to_le_bytes());
    }
    memory
}

/// Calls each function `calls` times; the answers that were errors of a pointer, and all others.
fn call_all(linker: &Linker<Guest>, store: &mut Store<Guest>, memory: Memory, calls: u32) -> (u32, u32) {
    let functions: Vec<(String, Func)> = linker
        .iter(&mut *store)
        .map(|(_, name, item)| (name.to_owned(), item))
        .filter_map(|(name, item)| Some((name, item.into_func()?)))
        .filter(|(name, _)| name != "proc_exit")
        .collect();
    let (mut seed, mut pointers, mut answers, scene) = (7, 0, 0, scene());
    for _ in 0..calls {
        for (name, function) in &functions {
            // A subscription out of zeros is a time that has come; any other one may wait for ever.
            memory.data_mut(&mut *store).copy_from_slice(if name == "poll_oneoff" { &[0; 65_536] } else { &scene });
            let parameters: Vec<Val> = function
                .ty(&*store)
                .params()
                .map(|kind| match kind {
                    ValType::I32 => Val::I32(pick(&mut seed, WORDS)),
                    _ => Val::I64(pick(&mut seed, LONG_WORDS)),
                })
                .collect();
            let mut answer = [Val::I32(-1)];
            match function.call(&mut *store, &parameters, &mut answer) {
                Ok(()) => answers += u32::from((0..=76).contains(&answer[0].unwrap_i32())),
                Err(error) => pointers += u32::from(error.downcast_ref::<BadPointer>().is_some()),
            }
        }
    }
    (pointers, answers)
}

#[test]
fn whatever_a_guest_passes_is_answered_or_ends_it_and_nothing_panics() {
    const CALLS: u32 = 3000;
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("x"), "x").unwrap();
    let bytes = in_child(|answer| {
        let engine = Engine::new(&Config::new()).unwrap();
        let mut linker = Linker::new(&engine);
        link(&mut linker).unwrap();
        let directory = OwnedFd::from(File::open(folder).unwrap());
        let guest = wasi::guest(&plan(), vec![(directory, Access::ReadWrite)], Vec::new(), None).unwrap();
        let mut store = Store::new(&engine, guest);
        let memory = Memory::new(&mut store, MemoryType::new(1, Some(1))).unwrap();
        store.data_mut().memory = Some(memory);
        for number in 0..3 {
            let null = File::options().read(true).write(true).open("/dev/null").unwrap();
            become_stream(null.into(), number);
        }
        rustix::thread::set_no_new_privs(true).unwrap();
        seccomp::apply(Filter::WORKER).unwrap();
        let (pointers, answers) = call_all(&linker, &mut store, memory, CALLS);
        answer.write_all(format!("{} {}", pointers > 1000, pointers + answers).as_bytes()).unwrap();
    });
    let functions = linked_functions();
    assert_eq!(String::from_utf8(bytes).unwrap(), format!("true {}", CALLS * functions));
}

/// Those with an answer.
fn linked_functions() -> u32 {
    let engine = Engine::new(&Config::new()).unwrap();
    let mut linker = Linker::new(&engine);
    link(&mut linker).unwrap();
    let mut store = Store::new(&engine, wasi::guest(&GuestPlan::default(), Vec::new(), Vec::new(), None).unwrap());
    let names = linker.iter(&mut store).filter(|(module, name, _)| *module == MODULE && *name != "proc_exit");
    u32::try_from(names.count()).unwrap()
}

#[test]
fn the_table_of_functions_is_what_the_linker_provides() {
    let engine = Engine::new(&Config::new()).unwrap();
    let mut linker = Linker::new(&engine);
    link(&mut linker).unwrap();
    let mut store = Store::new(&engine, wasi::guest(&GuestPlan::default(), Vec::new(), Vec::new(), None).unwrap());
    let defined: Vec<_> = linker.iter(&mut store).map(|(_, name, item)| (name.to_owned(), item)).collect();
    let list = |types: Vec<wasmtime::ValType>| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut theirs: Vec<(String, String)> = Vec::new();
    for (name, item) in defined {
        let function = item.into_func().unwrap().ty(&store);
        let (parameters, results) = (list(function.params().collect()), list(function.results().collect()));
        theirs.push((name, format!("({parameters}) -> ({results})")));
    }
    theirs.sort();
    let ours: Vec<(String, String)> =
        FUNCTIONS.iter().map(|(name, row)| ((*name).to_owned(), signature(row))).collect();
    assert_eq!(ours, theirs);
}
