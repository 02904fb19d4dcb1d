//! `sandhog build`: a module checked, made whole and compiled, so that its first run is like every other.

use super::args::BuildArgs;
use super::embedded::{Failure, with_coordinator};
use super::render::screen::Screen;
use super::run::{failure_of, refusal};
use super::whole_file::Target;
use super::{render, run};
use sandhog_protocol::exit_code;
use sandhog_protocol::plan::Kind;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::terms::Terms;
use sandhog_spec::job::Job;
use sandhog_spec::units;
use sandhog_sys::process::SingleThreaded;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("-o {path:?}: failed to write it")]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("failed to describe what was built")]
    Describe(#[source] serde_json::Error),
}

/// What was built.
#[derive(serde::Serialize)]
struct Built {
    output: PathBuf,
    bytes: u64,
    kind: Kind,
    /// It went to no file, perhaps to where this is printed.
    #[serde(skip)]
    straight: bool,
}

/// Builds and returns the exit code.
pub fn run(token: SingleThreaded, args: BuildArgs) -> u8 {
    let (json, output) = (args.json, args.output.clone());
    match try_build(token, args, &output).and_then(|built| text(&built, json)) {
        Ok(text) => render::answer(text.as_bytes()),
        Err(failure) => {
            render::report(&failure.problem);
            failure.code
        }
    }
}

fn try_build(token: SingleThreaded, args: BuildArgs, output: &Path) -> Result<Built, Failure> {
    let job = run::checked(args.compile.settings(args.module))?;
    let view = Arc::new(Screen::new(None));
    with_coordinator(
        token,
        &Terms::of(&job),
        view,
        |coordinator| async move { build(&coordinator, &job, output).await },
    )
}

async fn build(coordinator: &Arc<Coordinator>, job: &Job, output: &Path) -> Result<Built, Failure> {
    let failed = |cause| Failure::of(&Error::Write { path: output.into(), cause });
    let mut target = Target::find(output).map_err(|cause| refusal(&Error::Write { path: output.into(), cause }))?;
    let (mut module, bytes) = run::given(coordinator.build(job).await)?;
    let copy = |to: &mut File| {
        module.seek(SeekFrom::Start(0))?;
        io::copy(&mut module, to).map(drop)
    };
    target.write(copy).map_err(failed)?;
    let kind = run::given(coordinator.precompile(job, output, module).await)?;
    Ok(Built { output: output.into(), bytes, kind, straight: matches!(target, Target::Straight(_)) })
}

fn text(built: &Built, json: bool) -> Result<String, Failure> {
    if built.straight {
        return Ok(String::new());
    }
    if json {
        let line = serde_json::to_string(built)
            .map_err(|error| failure_of(&Error::Describe(error), exit_code::SANDHOG_FAILED))?;
        return Ok(line + "\n");
    }
    let what = match built.kind {
        Kind::Core => "a core module",
        Kind::Component | Kind::Concurrent => "a component",
    };
    Ok(format!("{}: {what} of {}, compiled\n", built.output.display(), units::print_size(built.bytes)))
}
