//! Lies in a guest's place, and plans of a coordinator that was taken over: for tests, and not built into what is installed.

use super::super::args::{DoctorArgs, RunArgs};
use super::super::embedded::{Failure, with_coordinator};
use super::super::render;
use super::super::render::screen::Screen;
use super::super::run;
use super::trial::{exit_code, failure, left_out, named, refused};
use sandhog_doctor::Probe;
use sandhog_doctor::hostile::Plan;
use sandhog_doctor::stage::Stage;
use sandhog_protocol::plan::Wall;
use sandhog_runtime::run::Instead;
use sandhog_runtime::terms::Terms;
use sandhog_sys::process::SingleThreaded;
use std::sync::Arc;

pub(super) fn run(token: SingleThreaded, name: &str, args: &DoctorArgs, job: RunArgs) -> Result<u8, Failure> {
    if name.starts_with("plan:") { try_plan(token, name, job) } else { try_in_place_of_guest(token, name, args, job) }
}

/// What a coordinator that was taken over gets of the spawner of this `run`.
fn try_plan(token: SingleThreaded, name: &str, args: RunArgs) -> Result<u8, Failure> {
    let plan = Plan::parse(name).ok_or_else(|| refused(format!("there is no plan {name:?}")))?;
    let job = run::checked(args.settings())?;
    let tried = with_coordinator(token, &Terms::of(&job), Arc::new(Screen::new(None)), |coordinator| async move {
        let stage = Stage::new().map_err(|error| Failure::of(&error))?;
        plan.ask(&coordinator, &stage).await.map_err(|error| failure(&error))
    })?;
    let answered = render::answer(render::doctor::tried(name, None, &tried).as_bytes());
    Ok(exit_code(tried.stopped == Some(true), answered))
}

/// The exit code is that of `run`.
fn try_in_place_of_guest(token: SingleThreaded, name: &str, args: &DoctorArgs, job: RunArgs) -> Result<u8, Failure> {
    let probe = named(name)?;
    if !matches!(probe, Probe::Lie(_)) {
        return Err(refused(format!("the probe {name:?} is not one for a guest's place: those are lies")));
    }
    let out = left_out(args, Wall::ALL.into());
    let needed = Wall::ALL.into_iter().filter(|wall| !out.contains(wall)).collect();
    Ok(run::run_or_instead(token, job, Some(needed), |coordinator| {
        let mut walls = coordinator.walls();
        let out = left_out(args, walls.clone());
        walls.retain(|wall| !out.contains(wall));
        Some(Instead { lie: probe.zygotes_lie().map(str::to_owned), probe: probe.to_string(), walls })
    }))
}
