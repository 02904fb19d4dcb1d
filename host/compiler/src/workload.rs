//! The work of a compiler's worker: one module in, machine code, a component or a report out.

use crate::compile;
use sandhog_protocol::plan::{Entry, Kind, Metering, Program, Work};
use sandhog_protocol::spawn::Loaded;
use sandhog_protocol::worker::FromWorker;
use sandhog_sys::descriptors::StandardStream;
use sandhog_zygote::{Assignment, Workload};
use std::convert::Infallible;
use std::fs::File;

/// Compilations.
pub struct Compilations;

impl Workload for Compilations {
    /// A compiler starts from nothing.
    type Module = Infallible;

    fn serves(program: Program) -> bool {
        match program {
            Program::Compiler => true,
            Program::Guest { .. } | Program::Probe | Program::Keeper => false,
        }
    }

    fn load(_metering: Metering, _coredump: bool, _kind: Kind, _file: File) -> Result<Infallible, Loaded> {
        Err(Loaded::Refused { reason: "a compiler runs no module".into() })
    }

    fn entry(module: &Infallible) -> Entry {
        match *module {}
    }

    fn warm(module: &Infallible) {
        match *module {}
    }

    fn work(assignment: Assignment<'_, Infallible>) -> Option<FromWorker> {
        match (assignment.work, assignment.program) {
            (Work::Compile(plan), Program::Compiler) => {
                compile::arm(assignment.channel).ok()?;
                let own = |stream: StandardStream| stream.borrow().try_clone_to_owned().ok().map(File::from);
                Some(FromWorker::Compiled(compile::compile(
                    &plan,
                    own(StandardStream::Stdin)?,
                    own(StandardStream::Stdout)?,
                )))
            }
            (Work::Compile(_) | Work::Guest(_) | Work::Probe(_) | Work::Keep, _) => None,
        }
    }
}
