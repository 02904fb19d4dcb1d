//! Validates a module and compiles it, in a confined process, under its limits.

use super::{
    engine,
    inspect::inspect,
    refusal::Refusal,
    validate::{Validated, validate},
};
use sandhog_protocol::{
    causes, frame, limits,
    plan::{CompileOutput, CompilePlan, Kind},
    worker::{CompileReport, FromWorker},
};
use sandhog_sys::{
    alloc,
    last_words::{self, Words},
    timer,
};
use sandhog_zygote::panicked;
use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::BorrowedFd,
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

/// Why there is no compiled module.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("failed to start the CPU timer")]
    Timer(#[source] io::Error),
    #[error("failed to read the module")]
    Read(#[source] io::Error),
    #[error("failed to build the engine")]
    Engine(#[source] wasmtime::Error),
    #[error("failed to write the compiled module")]
    Write(#[source] io::Error),
}

/// Prepares what this process says on `channel` (whole frames) when it runs out of CPU time or memory; once, before
/// [`compile`]. Disarm (`sys::last_words`) before anything else is written there.
///
/// # Errors
/// What the encoder says.
pub(crate) fn arm(channel: BorrowedFd<'_>) -> Result<(), frame::Error> {
    last_words::arm(channel, last_words()?);
    Ok(())
}

/// Compiles what is in `input` into `output`. Running out of CPU time or memory ends the process
/// with its last words ([`arm`]).
#[must_use]
pub(crate) fn compile(plan: &CompilePlan, input: File, output: File) -> CompileReport {
    match panic::catch_unwind(AssertUnwindSafe(|| attempt(plan, input, output))) {
        Ok(Ok(report)) => report,
        Ok(Err(Error::Refused(refusal))) => CompileReport::Refused { reason: refusal.to_string() },
        Ok(Err(Error::Write(error))) => CompileReport::Unwritten { errno: error.raw_os_error().unwrap_or(libc::EIO) },
        Ok(Err(error)) => CompileReport::Broken { reason: causes::one_line(&error) },
        Err(payload) => CompileReport::Broken { reason: panicked(payload.as_ref()) },
    }
}

fn attempt(plan: &CompilePlan, input: File, mut output: File) -> Result<CompileReport, Error> {
    timer::install().map_err(Error::Timer)?;
    let timers = timer::start(None, Some(Duration::from_millis(plan.cpu_ms))).map_err(Error::Timer)?;
    alloc::keep_what_is_freed();
    let bytes = read(input)?;
    let report = match plan.output {
        CompileOutput::Report => CompileReport::Inspected(Box::new(inspect(bytes)?)),
        CompileOutput::Module => write(&mut output, &validate(bytes)?)?,
        CompileOutput::Code => {
            let Validated { bytes, kind } = validate(bytes)?;
            write(&mut output, &Validated { bytes: machine_code(plan, &bytes, kind)?, kind })?
        }
    };
    drop(timers);
    Ok(report)
}

fn write(output: &mut File, made: &Validated) -> Result<CompileReport, Error> {
    output.write_all(&made.bytes).map_err(Error::Write)?;
    Ok(CompileReport::Done { bytes: made.bytes.len() as u64, kind: made.kind })
}

fn machine_code(plan: &CompilePlan, bytes: &[u8], kind: Kind) -> Result<Vec<u8>, Error> {
    let engine = engine::for_compiling(plan.metering, kind, start_threads(plan.threads)).map_err(Error::Engine)?;
    let compiled = match kind {
        Kind::Core => engine.precompile_module(bytes),
        Kind::Component | Kind::Concurrent => engine.precompile_component(bytes),
    };
    let compiled = compiled.map_err(|error| Refusal::Compiler(format!("{error:#}")))?;
    let length = compiled.len() as u64;
    if length > limits::ARTIFACT {
        return Err(Refusal::Compiler(format!("its machine code has {length} bytes, which is too much")).into());
    }
    Ok(compiled)
}

/// All of `input`, at most one byte more than a module may have.
fn read(input: File) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    input.take(limits::MODULE + 1).read_to_end(&mut bytes).map_err(Error::Read)?;
    if bytes.len() as u64 > limits::MODULE { Err(Refusal::TooLarge.into()) } else { Ok(bytes) }
}

/// Whether there is a pool of more than one thread now. Where the system has none to give, one thread does it all, later.
fn start_threads(threads: u32) -> bool {
    let count = usize::try_from(threads).unwrap_or(1);
    count > 1 && rayon::ThreadPoolBuilder::new().num_threads(count).build_global().is_ok()
}

/// What a compiler says where it can't report. It has no deadline of its own: the coordinator watches it.
///
/// # Errors
/// What the encoder says.
fn last_words() -> Result<Words, frame::Error> {
    let compiled = |report| frame::encode(&FromWorker::Compiled(report));
    Ok(Words {
        out_of_memory: compiled(CompileReport::Memory)?,
        out_of_cpu: compiled(CompileReport::Cpu)?,
        deadline: compiled(CompileReport::Cpu)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::{
        fs::{MemfdFlags, memfd_create},
        process::{Resource, Rlimit, setrlimit},
    };
    use sandhog_engine::{loader, settings};
    use sandhog_protocol::plan::Metering;
    use sandhog_protocol::worker::FromWorker;
    use sandhog_sys::in_child::in_child;
    use std::{
        fmt::Write as _,
        io::{Seek, SeekFrom},
        os::fd::AsFd,
    };

    const COMMAND: &str = "(module (func (export \"_start\")))";

    fn plan() -> CompilePlan {
        CompilePlan { metering: Metering::default(), threads: 2, cpu_ms: 60_000, output: CompileOutput::Code }
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = File::from(memfd_create("file", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file
    }

    /// What this process has already, as RLIMIT_DATA counts it, in bytes: the tests that run beside this one have theirs.
    fn own_data() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// What a compiler with at most `data_bytes` of memory says of the module in `input`.
    fn report(plan: &CompilePlan, input: &[u8], output: &File, data_bytes: u64) -> CompileReport {
        let bytes = in_child(|channel| {
            let max = Some(own_data() + data_bytes);
            let limit = Rlimit { current: max, maximum: max };
            setrlimit(Resource::Data, limit).unwrap();
            arm(channel.as_fd()).unwrap();
            let report = compile(plan, file(input), output.try_clone().unwrap());
            last_words::disarm();
            channel.write_all(&frame::encode(&FromWorker::Compiled(report)).unwrap()).unwrap();
        });
        match frame::decode_body(&bytes[frame::HEADER..]) {
            Ok(FromWorker::Compiled(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    /// Takes seconds to compile: many loops over many locals.
    fn slow_module() -> Vec<u8> {
        let mut body = String::new();
        for turn in 0..100 {
            body.push_str("(loop ");
            for local in (turn + 1)..(turn + 1000) {
                write!(body, "(local.set {local} (i64.add (local.get {local}) (local.get 0)))").unwrap();
            }
            body.push_str("(br_if 0 (i64.eqz (local.get 1))))");
        }
        let function = format!("(func (param i64) (local {}) {body})", "i64 ".repeat(1200));
        wat::parse_str(format!("(module (func (export \"_start\")) {function})")).unwrap()
    }

    /// Whether a worker's engine, for a module without fuel, takes this as compiled by ours.
    fn loads(file: File) -> bool {
        let (engine, text) = settings::for_running(Metering::default(), false, Kind::Core).unwrap();
        loader::load(&engine, &text, file).is_ok()
    }

    #[test]
    fn binary_and_text_are_compiled_on_one_thread_and_on_two() {
        for (threads, input) in [(1, COMMAND.as_bytes().to_vec()), (2, wat::parse_str(COMMAND).unwrap())] {
            let output = file(b"");
            let report = report(&CompilePlan { threads, ..plan() }, &input, &output, 2 << 30);
            let bytes = output.metadata().unwrap().len();
            assert_eq!(report, CompileReport::Done { bytes, kind: Kind::Core });
            let loaded = in_child(|answer| answer.write_all(&[u8::from(loads(output))]).unwrap());
            assert_eq!(loaded, [1]);
        }
    }

    #[test]
    fn what_was_compiled_with_fuel_is_stale_without() {
        let output = file(b"");
        let report = report(
            &CompilePlan { metering: Metering { fuel: true, epochs: false }, ..plan() },
            COMMAND.as_bytes(),
            &output,
            2 << 30,
        );
        assert!(matches!(report, CompileReport::Done { .. }));
        let stale = in_child(|answer| {
            answer.write_all(&[u8::from(!loads(output))]).unwrap();
        });
        assert_eq!(stale, [1]);
    }

    #[test]
    fn a_module_that_can_not_run_is_refused_with_a_sentence() {
        let report = report(&plan(), b"#!/bin/sh\n", &file(b""), 2 << 30);
        let CompileReport::Refused { reason } = report else {
            panic!("{report:?}");
        };
        assert!(reason.starts_with("it is a script"), "{reason}");
    }

    #[test]
    fn a_compiler_that_uses_its_cpu_time_says_so() {
        let plan = CompilePlan { cpu_ms: 200, ..plan() };
        assert_eq!(report(&plan, &slow_module(), &file(b""), 2 << 30), CompileReport::Cpu);
    }

    #[test]
    fn a_compiler_that_uses_its_memory_says_so() {
        assert_eq!(report(&plan(), &slow_module(), &file(b""), 128 << 20), CompileReport::Memory);
    }

    #[test]
    fn a_compiler_that_can_not_write_says_why() {
        let output = File::open("/dev/null").unwrap();
        assert!(matches!(
            report(&plan(), COMMAND.as_bytes(), &output, 2 << 30),
            CompileReport::Unwritten { errno: libc::EBADF }
        ));
    }
}
