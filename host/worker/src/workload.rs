//! The work of a worker: a guest, or a probe of the walls in a guest's place.

use crate::attempt::Outside;
use crate::engine::{self, Prepared};
use crate::run;
use sandhog_protocol::causes;
use sandhog_protocol::plan::{Kind, Program, Work};
use sandhog_protocol::spawn::Loaded;
use sandhog_protocol::worker::FromWorker;
use sandhog_zygote::{Assignment, Workload};
use std::fs::File;

/// Guests, and the doctor's probes.
pub struct Guests;

impl Workload for Guests {
    type Module = Prepared;

    fn serves(program: Program) -> bool {
        match program {
            Program::Guest { .. } | Program::Probe => true,
            Program::Compiler => false,
        }
    }

    fn load(fuel: bool, coredump: bool, kind: Kind, file: File) -> Result<Prepared, Loaded> {
        engine::load_for(fuel, coredump, kind, file).map_err(|error| match error {
            engine::Error::Stale(_) => Loaded::Stale { reason: causes::one_line(&error) },
            engine::Error::Engine(_) | engine::Error::Timers(_) | engine::Error::Link(_) => {
                Loaded::Refused { reason: causes::one_line(&error) }
            }
        })
    }

    fn is_handler(module: &Prepared) -> bool {
        match module {
            Prepared::Core(_) => false,
            Prepared::Component(component) => component.is_handler(),
        }
    }

    fn warm(module: &Prepared) {
        run::warm(module);
    }

    fn work(assignment: Assignment<'_, Prepared>) -> Option<FromWorker> {
        let Assignment { program, work, channel, buffer, connection, coredump, large, directories, module } =
            assignment;
        match (work, program) {
            (Work::Guest(plan), Program::Guest { .. }) => {
                run::arm(channel).ok()?;
                let outside = Outside { socket: channel, buffer, connection, large, coredump };
                // Without its module it was lied to by its zygote: it says nothing, and is lost.
                Some(FromWorker::Ended(run::run(&module?, &plan, directories, outside)))
            }
            (Work::Probe(name), Program::Probe) => {
                Some(FromWorker::Probed(sandhog_probes::run(&name, channel, &directories)))
            }
            (Work::Guest(_), Program::Compiler | Program::Probe)
            | (Work::Probe(_), Program::Guest { .. } | Program::Compiler)
            | (Work::Compile(_), Program::Guest { .. } | Program::Compiler | Program::Probe) => None,
        }
    }
}
