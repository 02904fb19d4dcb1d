//! Looks at modules and builds them, without running anything of them.

use super::coordinator::Coordinator;
use super::error::Error;
use super::module::Module;
use super::modules::{self, Made, Settings, Unmade};
use sandhog_protocol::inspect::Inspection;
use sandhog_protocol::plan::{CompileOutput, Kind};
use sandhog_protocol::verdict::{LostCause, Verdict};
use sandhog_spec::job::Job;
use sandhog_supervisor::outcome::{self, Cause, Facts, Limits};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// What was asked of a compiler, or the verdict on why that did not come about.
type CompilerResult<T> = Result<Result<T, Verdict>, Error>;

impl Coordinator {
    /// What a module is and needs.
    ///
    /// # Errors
    /// Where there is no module to look at.
    pub async fn inspect(self: &Arc<Self>, job: &Job) -> CompilerResult<Box<Inspection>> {
        Ok(self.ask_compiler(job, CompileOutput::Report).await?.and_then(|(_, made)| match made {
            Made::Report(inspection) => Ok(inspection),
            Made::Module { .. } => Err(strange()),
        }))
    }

    /// The module as it would be compiled, in a file without a name, positioned anywhere.
    ///
    /// # Errors
    /// Where there is no module to build.
    pub async fn build(self: &Arc<Self>, job: &Job) -> CompilerResult<(File, u64)> {
        Ok(self.ask_compiler(job, CompileOutput::Module).await?.and_then(|(file, made)| match made {
            Made::Module { bytes, .. } => Ok((file, bytes)),
            Made::Report(_) => Err(strange()),
        }))
    }

    /// Puts the machine code of the module in `file`, which was built for `path`, into the cache.
    ///
    /// # Errors
    /// Of the coordinator's own.
    pub async fn precompile(self: &Arc<Self>, job: &Job, path: &Path, file: File) -> CompilerResult<Kind> {
        let module = Arc::new(Module::of_file(path, file));
        let mut walls = self.walls();
        loop {
            match modules::compiled(self, &module, job, &walls).await {
                Ok((_, kind)) => return Ok(Ok(kind)),
                Err(cause) if self.let_go(&cause, job, &mut walls).is_some() => {}
                Err(cause) => return Ok(Err(verdict(cause))),
            }
        }
    }

    async fn ask_compiler(self: &Arc<Self>, job: &Job, output: CompileOutput) -> CompilerResult<(File, Made)> {
        let module = Arc::new(Module::open(&job.module)?);
        let settings = Settings { limits: job.compile, metering: job.limits.metering(), output };
        let mut cache = match self.caches().usual() {
            Ok(cache) => cache,
            Err(cause) => return Ok(Err(verdict(cause))),
        };
        let mut walls = self.walls();
        loop {
            let made = modules::compile(self, &module, &settings, &walls, &cache).await;
            let cause = match made {
                Ok(made) => return Ok(Ok(made)),
                Err(Unmade::Cause(cause)) => cause,
                Err(Unmade::Cache(error)) => match self.caches().instead(&error) {
                    Ok(spare) => {
                        cache = spare;
                        continue;
                    }
                    Err(cause) => cause,
                },
            };
            match cause {
                cause if self.let_go(&cause, job, &mut walls).is_some() => {}
                cause => return Ok(Err(verdict(cause))),
            }
        }
    }
}

fn verdict(cause: Cause) -> Verdict {
    outcome::decide(&Facts { cause: Some(cause), exit: None, asked: None }, &Limits::default())
}

fn strange() -> Verdict {
    Verdict::Lost {
        reason: "the compiler did something else than what it was asked".into(),
        cause: LostCause::Compiler,
    }
}
