//! One trial: which probe and behind which walls, as it was asked for, and the exit code of what came of it.
//!
//! Must not: try anything.

use crate::args::DoctorArgs;
use crate::embedded::Failure;
use crate::render::problem::Problem;
use sandhog_doctor::Probe;
use sandhog_doctor::attempt;
use sandhog_protocol::exit_code;
use sandhog_protocol::plan::{Wall, Walls};
use sandhog_protocol::verdict::StopReason;

/// Something is not as it must be.
const NOT_WELL: u8 = 1;

pub(super) fn named(name: &str) -> Result<Probe, Failure> {
    Probe::parse(name).ok_or_else(|| refused(format!("there is no probe {name:?}")))
}

/// The walls that `--with` or `--without` leave out of these.
pub(super) fn left_out(args: &DoctorArgs, walls: Walls) -> Walls {
    let with = |with: &Vec<Wall>| walls.iter().copied().filter(|wall| !with.contains(wall)).collect();
    let without = args.without.iter().flatten().copied().collect();
    args.with.as_ref().map_or(without, with)
}

pub(super) fn exit_code(well: bool, answered: u8) -> u8 {
    if well || answered != exit_code::SUCCESS { answered } else { NOT_WELL }
}

pub(super) fn refused(what: String) -> Failure {
    Failure { problem: Problem::new(what), code: exit_code::REFUSED }
}

pub(super) fn failure(error: &attempt::Error) -> Failure {
    let code = match error {
        attempt::Error::Stopped(StopReason::Interrupt) => exit_code::INTERRUPTED,
        attempt::Error::Stopped(
            StopReason::Terminate
            | StopReason::OutputClosed
            | StopReason::Parent
            | StopReason::Operator
            | StopReason::Replaced
            | StopReason::Unknown(_),
        ) => exit_code::TERMINATED,
        attempt::Error::Stage(_) | attempt::Error::Null(_) | attempt::Error::Start(_) => exit_code::SANDHOG_FAILED,
    };
    Failure { code, ..Failure::of(error) }
}
