//! One attempt: build, instantiate, run, report. In a process of its own, forked after the module was loaded.

use super::{
    at_once::at_once,
    attempt::{Error, Outside, start_timers},
    component, coredump,
    engine::{Module, Prepared},
    guest::Guest,
    hostcalls::Sharing,
    report::{self, Stage},
    session::{Control, Input, Session},
    stdio, store, wasi,
};
use sandhog_engine::wasi1::{INITIALIZE, STARTS};
use sandhog_protocol::{
    causes, frame,
    plan::{Access, Entry, GuestPlan},
    worker::{End, Report},
};
use sandhog_sys::{last_words, stamps};
use sandhog_zygote::panicked;
use std::{
    mem,
    os::fd::{BorrowedFd, OwnedFd},
    panic::{self, AssertUnwindSafe},
};
use wasmtime::{Caller, Func, Store};

/// Prepares what this worker says on `channel` (whole frames) when it runs out of time or memory; once, before [`run`].
/// Disarm (`sys::last_words`) before anything else is written there.
///
/// # Errors
/// What the encoder says.
pub(crate) fn arm(channel: BorrowedFd<'_>) -> Result<(), frame::Error> {
    last_words::arm(channel, report::last_words_of_guest()?);
    Ok(())
}

/// Runs the guest once, with the limits of `plan` counted from here, and says how it ended. `directories`
/// are the plan's, in its order. The guest's streams are this process's fds 0, 1 and 2; SIGPIPE is ignored here,
/// as the standard library leaves it. Running out of time ends the process
/// with its last words ([`arm`]). What the guest had is given back by the end of the process, not before.
#[must_use]
pub(crate) fn run(
    prepared: &Prepared,
    plan: &GuestPlan,
    directories: Vec<(OwnedFd, Access)>,
    outside: Outside<'_>,
) -> Report {
    stdio::keep_calls_whole(plan.whole_calls);
    let attempt = panic::catch_unwind(AssertUnwindSafe(|| match prepared {
        Prepared::Core(module) => match component::unfit(Entry::Command, plan, false) {
            Some(reason) => Ok(Report::of(End::Refused { reason: reason.to_owned() })),
            None => attempt(module, plan, directories, outside),
        },
        Prepared::Component(component) => component::run(component, plan, directories, outside),
    }));
    match attempt {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => without_guest(report::broken(&causes::one_line(&error))),
        Err(payload) => without_guest(report::broken(&panicked(payload.as_ref()))),
    }
}

/// Goes once through what [`run`] will do, without anything of the guest's: the pages of code, heap and stack are this
/// process's own then. For a worker that waits for its `go`; after its fork, for it draws random numbers.
pub(crate) fn warm(prepared: &Prepared) {
    match prepared {
        Prepared::Core(module) => warm_module(module),
        Prepared::Component(component) => component::warm(component),
    }
}

fn warm_module(prepared: &Module) {
    let plan = GuestPlan { args: vec![String::new()], ..GuestPlan::default() };
    let Ok(guest) = wasi::guest(&plan, Vec::new(), Vec::new(), None) else {
        return;
    };
    let mut store = Store::new(&prepared.engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    let host = Func::wrap_async(&mut store, |_: Caller<'_, Guest>, (): ()| Box::new(async {}));
    let _ = at_once(host.call_async(&mut store, &[], &mut []));
}

fn without_guest(end: End) -> Report {
    Report::of(end)
}

fn attempt(
    prepared: &Module,
    plan: &GuestPlan,
    directories: Vec<(OwnedFd, Access)>,
    outside: Outside<'_>,
) -> Result<Report, Error> {
    let timers = start_timers(plan).map_err(Error::Timers)?;
    // The first one is for the last word.
    let socket = outside.socket.try_clone_to_owned().map_err(Error::Socket)?;
    let (input, sharing) = match prepared.shares {
        true => {
            let session = Session::of_core(socket, outside.buffer, outside.large, plan);
            (session.input().clone(), Some(Sharing::new(session)))
        }
        false => (Input::new(Control::of_core(socket, outside.buffer)), None),
    };
    let guest = Guest { sharing, ..wasi::guest(plan, directories, outside.listeners, Some(input))? };
    let mut store = Store::new(&prepared.engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    store::give_fuel(&mut store, prepared.fuel, plan.fuel).map_err(Error::Fuel)?;
    let outcome = at_once(call(prepared, &mut store));
    let (end, error) = match outcome.ok_or(Error::Waits)? {
        Ok(()) => (End::Exited { code: 0 }, None),
        Err((stage, error)) => (report::end(&error, stage, &store.data().limiter), Some(error)),
    };
    // Only here: names in a hostile module can make a backtrace long. A core dump is not the guest's time.
    drop(timers);
    let coredump =
        error.and_then(|error| coredump::write(&error, &end, &mut store, plan.args.first(), outside.coredump));
    let peak_memory_bytes = store.data().limiter.peak_bytes();
    let report = Report { peak_memory_bytes, written_bytes: stdio::written(), coredump, ..Report::of(end) };
    // The process ends next, and the kernel gives everything back faster than the destructors would.
    mem::forget(store);
    Ok(report)
}

/// Instantiates the module, which runs its start function, initializes it where it is a reactor, and calls its program. The
/// compiler has seen that there is one and that the types are right.
async fn call(prepared: &Module, store: &mut Store<Guest>) -> Result<(), (Stage, wasmtime::Error)> {
    let instantiating = |error| (Stage::Instantiating, error);
    let running = |error| (Stage::Running, error);
    let instance = prepared.instance.instantiate_async(&mut *store).await.map_err(instantiating)?;
    stamps::note("guest is instantiated");
    let is_there = |store: &mut Store<Guest>, name: &&str| instance.get_func(store, name).is_some();
    let initialize = Some(INITIALIZE).filter(|name| is_there(store, name));
    let program = STARTS.into_iter().find(|name| is_there(store, name));
    for name in initialize.into_iter().chain(program) {
        let function = instance.get_typed_func::<(), ()>(&mut *store, name).map_err(running)?;
        function.call_async(&mut *store, ()).await.map_err(running)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::engine;
    use super::*;
    use rustix::fs::{MemfdFlags, memfd_create};
    use sandhog_channel::Large;
    use sandhog_ipc::FrameBuffer;
    use sandhog_protocol::{
        plan::{Kind, Metering},
        verdict::MemoryWall,
        worker::{FromWorker, TrapKind},
    };
    use sandhog_sys::{
        descriptors::StandardStream,
        in_child::{become_stream, in_child},
    };
    use std::{
        fs::File,
        io::Write,
        os::fd::AsFd,
        time::{Duration, Instant},
    };

    const HOUR_NS: u64 = 3_600_000_000_000;

    fn nobody() -> Outside<'static> {
        Outside {
            socket: StandardStream::Stdin.borrow(),
            buffer: FrameBuffer::default(),
            connection: None,
            large: Large::Memory,
            coredump: None,
            listeners: Vec::new(),
        }
    }

    fn plan() -> GuestPlan {
        GuestPlan {
            args: vec!["test".to_owned()],
            env: Vec::new(),
            directories: Vec::new(),
            memory_bytes: 1 << 20,
            timeout_ms: Some(10_000),
            cpu_ms: None,
            fuel: None,
            ..GuestPlan::default()
        }
    }

    fn compiled(text: &str, metering: Metering) -> File {
        let module = wat::parse_str(text).unwrap();
        let bytes = sandhog_compiler::engine::for_compiling(metering, Kind::Core, false)
            .unwrap()
            .precompile_module(&module)
            .unwrap();
        let mut file = File::from(memfd_create("compiled", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(&bytes).unwrap();
        file
    }

    /// How a guest in text ends; its stdin is an open pipe without input.
    fn report(text: &str, plan: &GuestPlan) -> Report {
        let metering = Metering { fuel: plan.fuel.is_some(), epochs: false };
        let file = compiled(text, metering);
        let bytes = in_child(|answer| {
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            become_stream(reader, 0);
            let prepared = engine::load(metering, Kind::Core, file).unwrap();
            arm(answer.as_fd()).unwrap();
            let report = run(&prepared, plan, Vec::new(), nobody());
            last_words::disarm();
            drop(writer);
            answer.write_all(&frame::encode(&FromWorker::Ended(report)).unwrap()).unwrap();
        });
        match frame::decode_body(&bytes[frame::HEADER..]) {
            Ok(FromWorker::Ended(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    fn end(text: &str, plan: &GuestPlan) -> End {
        report(text, plan).end
    }

    /// A module whose `_start` is `body`, with WASI's calls of four parameters at hand.
    fn command(body: &str) -> String {
        format!(
            r#"(module
                (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
                (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
                (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
                (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") {body}))"#
        )
    }

    fn trap_kind(text: &str) -> TrapKind {
        match end(text, &plan()) {
            End::Trapped { kind, .. } => kind,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_guest_that_returns_has_exited_with_zero() {
        let report = report(&command(""), &plan());
        let counted = Report { written_bytes: Some(Box::new([0; 2])), ..Report::of(End::Exited { code: 0 }) };
        assert_eq!(report, Report { peak_memory_bytes: 65_536, ..counted });
    }

    #[test]
    fn any_exit_code_arrives_unchanged() {
        assert_eq!(end(&command("(call $exit (i32.const 7))"), &plan()), End::Exited { code: 7 });
        assert_eq!(end(&command("(call $exit (i32.const -1))"), &plan()), End::Exited { code: u32::MAX });
    }

    #[test]
    fn a_start_function_alone_is_a_program() {
        assert_eq!(end("(module (func $f) (start $f))", &plan()), End::Exited { code: 0 });
    }

    #[test]
    fn a_loop_ends_at_the_deadline() {
        let plan = GuestPlan { timeout_ms: Some(50), ..plan() };
        let began = Instant::now();
        let expected = Report { peak_memory_bytes: 65_536, ..Report::of(End::Deadline) };
        assert_eq!(report(&command("(loop (br 0))"), &plan), expected);
        assert!(began.elapsed() >= Duration::from_millis(50));
        assert_eq!(end("(module (func $f (loop (br 0))) (start $f))", &plan), End::Deadline);
    }

    #[test]
    fn a_sleep_ends_at_the_deadline() {
        let sleep = format!(
            "(i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const {HOUR_NS}))
             (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))"
        );
        assert_eq!(end(&command(&sleep), &GuestPlan { timeout_ms: Some(50), ..plan() }), End::Deadline);
    }

    #[test]
    fn a_wait_for_input_ends_at_the_deadline() {
        let read = "(i32.store (i32.const 4) (i32.const 8))
             (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 128)))";
        assert_eq!(end(&command(read), &GuestPlan { timeout_ms: Some(50), ..plan() }), End::Deadline);
        let poll = "(i32.store8 (i32.const 8) (i32.const 1))
             (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))";
        assert_eq!(end(&command(poll), &GuestPlan { timeout_ms: Some(50), ..plan() }), End::Deadline);
    }

    #[test]
    fn a_short_sleep_ends_by_itself() {
        let sleep = "(i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const 20000000))
             (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
             (call $exit (i32.load (i32.const 128)))";
        let began = Instant::now();
        assert_eq!(end(&command(sleep), &plan()), End::Exited { code: 1 });
        assert!(began.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn a_loop_ends_when_its_cpu_time_is_used() {
        let plan = GuestPlan { cpu_ms: Some(20), ..plan() };
        assert_eq!(end(&command("(loop (br 0))"), &plan), End::Cpu);
    }

    #[test]
    fn a_loop_ends_when_its_fuel_is_used() {
        let plan = GuestPlan { fuel: Some(10_000), ..plan() };
        assert_eq!(end(&command("(loop (br 0))"), &plan), End::Fuel);
    }

    #[test]
    fn a_refused_growth_is_minus_one_and_lives() {
        let grow = "(call $exit (memory.grow (i32.const 16)))";
        assert_eq!(end(&command(grow), &plan()), End::Exited { code: u32::MAX });
        assert_eq!(end(&command("(call $exit (memory.grow (i32.const 15)))"), &plan()), End::Exited { code: 1 });
    }

    #[test]
    fn a_guest_that_aborts_for_want_of_memory_died_of_it() {
        let abort = command("(drop (memory.grow (i32.const 16))) unreachable");
        assert_eq!(end(&abort, &plan()), End::Memory { wall: MemoryWall::Engine });
    }

    #[test]
    fn garbage_is_collected_and_what_is_kept_is_limited() {
        let node = |keep| {
            format!(
                "(module (type $node (struct (field (ref null $node)) (field i64 i64 i64 i64)))
                    (func (export \"_start\") (local $kept (ref null $node)) (local $turn i32)
                        (loop
                            (local.set $kept (struct.new $node {keep} (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)))
                            (local.set $turn (i32.add (local.get $turn) (i32.const 1)))
                            (br_if 0 (i32.lt_u (local.get $turn) (i32.const 1000000))))))"
            )
        };
        assert_eq!(end(&node("(ref.null $node)"), &plan()), End::Exited { code: 0 });
        assert_eq!(end(&node("(local.get $kept)"), &plan()), End::Memory { wall: MemoryWall::Engine });
    }

    #[test]
    fn a_module_larger_than_its_limit_is_refused_with_both_numbers() {
        let End::Refused { reason } = end("(module (memory 32) (func (export \"_start\")))", &plan()) else {
            panic!("not refused");
        };
        assert!(reason.contains("at least 2 MiB of memory, the limit is 1 MiB"), "{reason}");
    }

    #[test]
    fn every_trap_has_its_kind() {
        assert_eq!(trap_kind(&command("unreachable")), TrapKind::Unreachable);
        assert_eq!(trap_kind(&command("(drop (i32.load (i32.const -8)))")), TrapKind::OutOfBoundsMemory);
        assert_eq!(
            trap_kind(&command("(drop (i32.div_s (i32.const 1) (i32.const 0)))")),
            TrapKind::IntegerDivideByZero
        );
        assert_eq!(
            trap_kind(&command("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))")),
            TrapKind::IntegerOverflow
        );
        assert_eq!(trap_kind(&command("(drop (i32.trunc_f32_s (f32.const nan)))")), TrapKind::InvalidConversion);
        let recursion = "(module (func $f (export \"_start\") (call $f)))";
        assert_eq!(trap_kind(recursion), TrapKind::StackOverflow);
        let throw = "(module (tag $t) (func (export \"_start\") (throw $t)))";
        assert_eq!(trap_kind(throw), TrapKind::UncaughtException);
        let table = |index| {
            format!(
                "(module (type $t (func (param i32))) (table 2 funcref) (elem (i32.const 0) $f) (func $f)
                    (func (export \"_start\") (call_indirect (type $t) (i32.const 0) (i32.const {index}))))"
            )
        };
        assert_eq!(trap_kind(&table(0)), TrapKind::IndirectCallTypeMismatch);
        assert_eq!(trap_kind(&table(1)), TrapKind::UndefinedElement);
        assert_eq!(trap_kind(&table(2)), TrapKind::OutOfBoundsTable);
    }

    #[test]
    fn a_bad_pointer_is_the_guests_fault() {
        let write = "(i32.store (i32.const 0) (i32.const 65530)) (i32.store (i32.const 4) (i32.const 100))
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 128)))";
        assert_eq!(trap_kind(&command(write)), TrapKind::OutOfBoundsMemory);
    }

    #[test]
    fn a_backtrace_names_functions_as_people_wrote_them() {
        let text = r#"(module $crash
            (func $_ZN4core9panicking5panic17h0123456789abcdefE unreachable)
            (func (export "_start") (call 0)))"#;
        let End::Trapped { backtrace, .. } = end(text, &plan()) else {
            panic!("no trap");
        };
        assert_eq!(backtrace.len(), 2);
        assert!(backtrace[0].contains("crash!core::panicking::panic"), "{backtrace:?}");
    }

    #[test]
    fn a_write_arrives_on_the_workers_stream() {
        let file = compiled(
            &command(
                "(i64.store (i32.const 0) (i64.const 0x0000000500000020)) (i64.store (i32.const 32) (i64.const 0x6f6c6c6568))
                 (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 128)))",
            ),
            Metering::default(),
        );
        let bytes = in_child(|answer| {
            become_stream(OwnedFd::from(answer.try_clone().unwrap()), 1);
            let prepared = engine::load(Metering::default(), Kind::Core, file).unwrap();
            assert_eq!(run(&prepared, &plan(), Vec::new(), nobody()).end, End::Exited { code: 0 });
        });
        assert_eq!(bytes, b"hello");
    }

    #[test]
    fn workers_of_one_zygote_draw_different_random_numbers() {
        let file = compiled(
            &command("(drop (call $random (i32.const 0) (i32.const 4))) (call $exit (i32.load (i32.const 0)))"),
            Metering::default(),
        );
        let bytes = in_child(|answer| {
            let prepared = engine::load(Metering::default(), Kind::Core, file).unwrap();
            for _ in 0..2 {
                let worker = in_child(|answer| {
                    let report = run(&prepared, &plan(), Vec::new(), nobody());
                    answer.write_all(&frame::encode_body(&report).unwrap()).unwrap();
                });
                answer.write_all(&worker).unwrap();
            }
        });
        let (first, second) = bytes.split_at(bytes.len() / 2);
        assert!(!bytes.is_empty() && first != second);
    }
}
