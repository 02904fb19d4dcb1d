//! How a guest ended, as a message: a trap, an exit or a refusal, never what to do about it.

use super::{
    guest::{BadPointer, Exit},
    store::{Limiter, Refused, TABLE_ELEMENTS},
};
use sandhog_protocol::{
    frame, limits,
    verdict::MemoryWall,
    worker::{End, FromWorker, Report, TrapKind},
};
use sandhog_sys::last_words::{PEAK, Words};
use std::io;
use wasmtime::{FrameInfo, GcHeapOutOfMemory, ThrownException, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// What a guest's worker says where it can't report: the same messages, made beforehand.
///
/// # Errors
/// What the encoder says.
pub(super) fn last_words_of_guest() -> Result<Words, frame::Error> {
    let ended = |end| frame::encode(&FromWorker::Ended(Report { peak_memory_bytes: PEAK, ..Report::of(end) }));
    Ok(Words {
        out_of_memory: ended(End::Memory { wall: MemoryWall::Data })?,
        out_of_cpu: ended(End::Cpu)?,
        deadline: ended(End::Deadline)?,
    })
}

/// Which part of an attempt came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Memories and tables are made; a start function may run.
    Instantiating,
    /// `_start` runs.
    Running,
}

/// What the engine's `error` in `stage` means.
pub(super) fn end(error: &wasmtime::Error, stage: Stage, limiter: &Limiter) -> End {
    if let Some(Exit(code)) = error.downcast_ref() {
        return End::Exited { code: *code };
    }
    // A component's `exit`.
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return End::Exited { code: code.cast_unsigned() };
    }
    match (error.downcast_ref::<Trap>(), stage) {
        (Some(Trap::OutOfFuel), _) => End::Fuel,
        (Some(trap), _) => trapped(kind_of_trap(*trap), &without_prefix(&trap.to_string()), error, limiter),
        (None, Stage::Instantiating) => not_started(error, limiter),
        (None, Stage::Running) => failed(error, limiter),
    }
}

/// The worker itself failed.
pub(super) fn broken(reason: &str) -> End {
    End::Broken { reason: shortened(reason) }
}

/// A host function or an exception ended the guest.
fn failed(error: &wasmtime::Error, limiter: &Limiter) -> End {
    let kind = if error.downcast_ref::<ThrownException>().is_some() {
        TrapKind::UncaughtException
    } else if error.downcast_ref::<BadPointer>().is_some() {
        TrapKind::OutOfBoundsMemory
    } else {
        TrapKind::Other
    };
    if let (Some(_), Some(Refused::Memory { wall, .. })) =
        (error.downcast_ref::<GcHeapOutOfMemory<()>>(), limiter.refused())
    {
        return End::Memory { wall };
    }
    let message = if kind == TrapKind::UncaughtException {
        "the guest threw an exception that nothing caught".to_owned()
    } else {
        error.root_cause().to_string()
    };
    trapped(kind, &message, error, limiter)
}

/// The engine could not make what the module asks for before its first instruction.
fn not_started(error: &wasmtime::Error, limiter: &Limiter) -> End {
    match limiter.refused() {
        Some(Refused::Memory { wall: MemoryWall::Engine, wanted_bytes }) => End::Refused {
            reason: format!(
                "the module needs at least {} of memory, the limit is {}: give it more with --memory",
                size(wanted_bytes),
                size(limiter.limit_bytes()),
            ),
        },
        Some(Refused::Memory { wall, .. }) => End::Memory { wall },
        Some(Refused::Table { wanted }) => End::Refused {
            reason: format!("the module needs tables of {wanted} elements, the limit is {TABLE_ELEMENTS}"),
        },
        None if is_out_of_memory(error) => End::Memory { wall: MemoryWall::Data },
        None => failed(error, limiter),
    }
}

fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::OutOfMemory)
}

fn trapped(kind: TrapKind, message: &str, error: &wasmtime::Error, limiter: &Limiter) -> End {
    match limiter.refused() {
        Some(Refused::Memory { wall, .. }) if follows_from_refused_memory(kind) => End::Memory { wall },
        _ => End::Trapped { kind, message: shortened(message), backtrace: backtrace(error) },
    }
}

/// How programs die that could not get memory: by an abort, which is `unreachable` in every toolchain, by the null
/// pointer that they did not check, or by an exception. Any other trap is a fault of its own.
fn follows_from_refused_memory(kind: TrapKind) -> bool {
    match kind {
        TrapKind::Unreachable | TrapKind::OutOfBoundsMemory | TrapKind::UncaughtException => true,
        TrapKind::OutOfBoundsTable
        | TrapKind::UndefinedElement
        | TrapKind::IndirectCallTypeMismatch
        | TrapKind::IntegerOverflow
        | TrapKind::IntegerDivideByZero
        | TrapKind::InvalidConversion
        | TrapKind::StackOverflow
        | TrapKind::Other => false,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the engine has more traps from release to release")]
fn kind_of_trap(trap: Trap) -> TrapKind {
    match trap {
        Trap::UnreachableCodeReached => TrapKind::Unreachable,
        Trap::MemoryOutOfBounds => TrapKind::OutOfBoundsMemory,
        Trap::TableOutOfBounds => TrapKind::OutOfBoundsTable,
        Trap::IndirectCallToNull => TrapKind::UndefinedElement,
        Trap::BadSignature => TrapKind::IndirectCallTypeMismatch,
        Trap::IntegerOverflow => TrapKind::IntegerOverflow,
        Trap::IntegerDivisionByZero => TrapKind::IntegerDivideByZero,
        Trap::BadConversionToInteger => TrapKind::InvalidConversion,
        Trap::StackOverflow => TrapKind::StackOverflow,
        _ => TrapKind::Other,
    }
}

fn without_prefix(message: &str) -> String {
    message.strip_prefix("wasm trap: ").unwrap_or(message).to_owned()
}

/// One line for each frame, the innermost first: `module!function`, demangled, behind its offset in the
/// module. The engine numbers its lines below a headline.
fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let named = |name: &str| name.chars().any(char::is_control);
    if backtrace.frames().iter().any(|frame| frame.func_name().is_some_and(named)) {
        // A name that would make lines of its own: told frame by frame, as it stands in the module.
        return backtrace.frames().iter().take(limits::BACKTRACE).map(raw_frame).collect();
    }
    let text = backtrace.to_string();
    let frames = text.lines().skip(1).take(limits::BACKTRACE);
    frames.map(frame).collect()
}

fn raw_frame(frame: &FrameInfo) -> String {
    let offset = frame.module_offset().map(|offset| format!("{offset:#x} - ")).unwrap_or_default();
    let name = frame
        .func_name()
        .map_or_else(|| format!("<wasm function {}>", frame.func_index()), |name| name.escape_debug().to_string());
    shortened(&format!("{offset}{name}"))
}

fn frame(line: &str) -> String {
    let text = line.split_once(": ").map_or(line, |(_, frame)| frame).trim();
    shortened(&text.replacen("<unknown>!", "", 1))
}

/// At most [`limits::REPORT_TEXT`] bytes of it.
pub(super) fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(limits::REPORT_TEXT)].to_owned()
}

/// In the largest unit that leaves no fraction.
fn size(bytes: usize) -> String {
    const UNITS: [(usize, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::ResourceLimiter;

    fn at_ease() -> Limiter {
        Limiter::new(1 << 30)
    }

    fn refused() -> Limiter {
        let mut limiter = Limiter::new(1 << 20);
        assert!(!limiter.memory_growing(0, 64 << 20, None).unwrap());
        limiter
    }

    #[test]
    fn an_exit_keeps_its_code() {
        let error = wasmtime::Error::from(Exit(4_000_000_000));
        assert_eq!(end(&error, Stage::Running, &at_ease()), End::Exited { code: 4_000_000_000 });
    }

    #[test]
    fn a_guest_that_aborts_after_a_refusal_died_of_memory() {
        let error = wasmtime::Error::from(Trap::UnreachableCodeReached);
        assert_eq!(end(&error, Stage::Running, &refused()), End::Memory { wall: MemoryWall::Engine });
        assert!(matches!(end(&error, Stage::Running, &at_ease()), End::Trapped { kind: TrapKind::Unreachable, .. }));
    }

    #[test]
    fn a_division_by_zero_after_a_refusal_is_itself() {
        let error = wasmtime::Error::from(Trap::IntegerDivisionByZero);
        let end = end(&error, Stage::Running, &refused());
        let End::Trapped { kind: TrapKind::IntegerDivideByZero, message, .. } = end else {
            panic!("{end:?}");
        };
        assert_eq!(message, "integer divide by zero");
    }

    #[test]
    fn a_module_that_needs_too_much_is_told_how_much() {
        let error = wasmtime::Error::msg("memory minimum size exceeds memory limits");
        let End::Refused { reason } = end(&error, Stage::Instantiating, &refused()) else {
            panic!("not refused");
        };
        assert_eq!(
            reason,
            "the module needs at least 64 MiB of memory, the limit is 1 MiB: give it more with --memory"
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert!(shortened(&"ü".repeat(5000)).len() <= limits::REPORT_TEXT);
        assert_eq!(shortened("short"), "short");
    }

    #[test]
    fn sizes_are_said_without_fractions() {
        assert_eq!(size(1 << 30), "1 GiB");
        assert_eq!(size(65_536 * 3), "192 KiB");
        assert_eq!(size(1000), "1000 bytes");
    }
}
