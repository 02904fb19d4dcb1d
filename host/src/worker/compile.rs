//! Validates a module and compiles it, in a confined process, under its limits.

use super::{
    engine,
    module::{self, Form},
    refusal::Refusal,
    run::panicked,
};
use crate::sys::timer;
use sandhog_protocol::{limits, plan::CompilePlan, worker::CompileReport};
use std::{
    fs::File,
    io::{self, Read, Write},
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

/// Why there is no compiled module.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("failed to start the CPU timer: {0}")]
    Timer(#[source] io::Error),
    #[error("failed to read the module: {0}")]
    Read(#[source] io::Error),
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("failed to write the compiled module: {0}")]
    Write(#[source] io::Error),
}

/// Compiles what is in `input` into `output`. Running out of CPU time or memory ends the process with its last
/// words, which are to be armed before (`sys::last_words`).
#[must_use]
pub(crate) fn compile(plan: &CompilePlan, input: File, output: File) -> CompileReport {
    match panic::catch_unwind(AssertUnwindSafe(|| attempt(plan, input, output))) {
        Ok(Ok(bytes)) => CompileReport::Done { bytes },
        Ok(Err(Error::Refused(refusal))) => CompileReport::Refused { reason: refusal.to_string() },
        Ok(Err(error)) => CompileReport::Broken { why: error.to_string() },
        Err(payload) => CompileReport::Broken { why: panicked(payload.as_ref()) },
    }
}

fn attempt(plan: &CompilePlan, input: File, mut output: File) -> Result<u64, Error> {
    timer::end_process_after(Duration::from_millis(plan.cpu_ms)).map_err(Error::Timer)?;
    let module = in_binary_form(read(input)?)?;
    module::check(&module)?;
    let engine = engine::for_compiling(plan.fuel, start_threads(plan.threads))?;
    let compiled = engine.precompile_module(&module).map_err(|error| Refusal::Compiler(format!("{error:#}")))?;
    let bytes = compiled.len() as u64;
    if bytes > limits::ARTIFACT {
        return Err(Refusal::Compiler(format!("its machine code has {bytes} bytes, which is too much")).into());
    }
    output.write_all(&compiled).map_err(Error::Write)?;
    Ok(bytes)
}

/// All of `input`, at most one byte more than a module may have.
fn read(input: File) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    input.take(limits::MODULE + 1).read_to_end(&mut bytes).map_err(Error::Read)?;
    if bytes.len() as u64 > limits::MODULE { Err(Refusal::TooLarge.into()) } else { Ok(bytes) }
}

fn in_binary_form(bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    match module::form(&bytes)? {
        Form::Binary => Ok(bytes),
        Form::Text => module::from_text(&bytes),
    }
}

/// Whether there is a pool of more than one thread now. Where the system has none to give, one thread does it all, later.
fn start_threads(threads: u32) -> bool {
    let count = usize::try_from(threads).unwrap_or(1);
    count > 1 && rayon::ThreadPoolBuilder::new().num_threads(count).build_global().is_ok()
}
