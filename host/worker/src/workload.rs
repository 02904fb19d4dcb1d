//! The work of a worker: a guest, a probe of the walls in a guest's place, or keeping the objects of a group.

use crate::attempt::Outside;
use crate::engine::{self, Prepared};
use crate::keeper;
use crate::run;
use sandhog_protocol::causes;
use sandhog_protocol::plan::{Entry, Kind, Metering, Program, Work};
use sandhog_protocol::spawn::Loaded;
use sandhog_protocol::worker::FromWorker;
use sandhog_sys::process;
use sandhog_zygote::{Assignment, Workload};
use std::fs::File;

/// Guests, the doctor's probes, and keepers.
pub struct Guests;

impl Workload for Guests {
    type Module = Prepared;

    fn serves(program: Program) -> bool {
        match program {
            Program::Guest { .. } | Program::Probe | Program::Keeper => true,
            Program::Compiler => false,
        }
    }

    fn load(metering: Metering, coredump: bool, kind: Kind, file: File) -> Result<Prepared, Loaded> {
        engine::load_for(metering, coredump, kind, file).map_err(|error| match error {
            engine::Error::Stale(_) => Loaded::Stale { reason: causes::one_line(&error) },
            engine::Error::Engine(_) | engine::Error::Timers(_) | engine::Error::Link(_) => {
                Loaded::Refused { reason: causes::one_line(&error) }
            }
        })
    }

    fn entry(module: &Prepared) -> Entry {
        match module {
            Prepared::Core(_) => Entry::Command,
            Prepared::Component(component) => component.entry(),
        }
    }

    fn warm(module: &Prepared) {
        run::warm(module);
    }

    fn work(assignment: Assignment<'_, Prepared>) -> Option<FromWorker> {
        let Assignment { program, work, channel, buffer, fds, .. } = assignment;
        let Assignment { connection, coredump, large, listeners, directories, module, .. } = assignment;
        match (work, program) {
            (Work::Guest(plan), Program::Guest { .. }) => {
                run::arm(channel).ok()?;
                let outside = Outside { socket: channel, buffer, connection, large, coredump, listeners };
                // Without its module it was lied to by its zygote: it says nothing, and is lost.
                Some(FromWorker::Ended(run::run(&module?, &plan, directories, outside)))
            }
            (Work::Probe(name), Program::Probe) => {
                Some(FromWorker::Probed(sandhog_probes::run(&name, channel, &directories)))
            }
            (Work::Keep, Program::Keeper) => {
                keeper::keep(channel, buffer, fds)?;
                // There is nobody to report to.
                process::exit_now(0)
            }
            (Work::Guest(_), Program::Compiler | Program::Probe | Program::Keeper)
            | (Work::Probe(_), Program::Guest { .. } | Program::Compiler | Program::Keeper)
            | (Work::Keep, Program::Guest { .. } | Program::Compiler | Program::Probe)
            | (Work::Compile(_), _) => None,
        }
    }
}
