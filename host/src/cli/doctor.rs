//! `sandhog doctor`: which walls this machine gives, and what each of them stops.
//!
//! The exit code is 0 where every wall that must stand does and every trial ends as it must, else 1; with `--probe`, 0
//! where the probe was stopped.

use super::args::{DoctorArgs, RunArgs};
use super::embedded::{Failure, with_coordinator};
use super::render::screen::Screen;
use super::{render, run};
use crate::config::job::Job;
use crate::doctor::Probe;
use crate::doctor::attempt::{self, Tried, attempt};
use crate::doctor::hostile::Plan;
use crate::doctor::matrix::{self, Row};
use crate::doctor::stage::Stage;
use crate::exit_code;
use crate::runtime::dispatch::Coordinator;
use crate::runtime::run::Instead;
use crate::runtime::terms::Terms;
use crate::sys::process::SingleThreaded;
use render::problem::Problem;
use sandhog_protocol::plan::{Wall, Walls};
use sandhog_protocol::verdict::StopReason;
use std::sync::Arc;

/// Something is not as it must be.
const NOT_WELL: u8 = 1;

/// Examines this machine and returns the exit code.
pub(crate) fn run(token: SingleThreaded, args: DoctorArgs) -> u8 {
    let answered = match (&args.probe, args.job()) {
        (_, Err(stop)) => return render::stop(&stop),
        (Some(name), Ok(None)) => try_probe(token, name, &args),
        (Some(name), Ok(Some(job))) if name.starts_with("plan:") => try_plan(token, name, job),
        (Some(name), Ok(Some(job))) => try_in_place_of_guest(token, name, &args, job),
        (None, Ok(_)) => try_all(token, &args),
    };
    answered.unwrap_or_else(|failure| {
        render::report(&failure.problem);
        failure.code
    })
}

fn try_all(token: SingleThreaded, args: &DoctorArgs) -> Result<u8, Failure> {
    let without: Walls = left_out(args, Wall::ALL.into());
    let rows = with_coordinator(token, &Terms::of_doctor(), Arc::new(Screen::new(None)), |coordinator| async move {
        matrix::examine(&coordinator, &without).await.map_err(|error| failure(&error))
    })?;
    let text = if args.json { render::doctor::json(&rows) } else { render::doctor::table(&rows) };
    Ok(exit_code(rows.iter().all(Row::is_ok), render::answer(text.as_bytes())))
}

fn try_probe(token: SingleThreaded, name: &str, args: &DoctorArgs) -> Result<u8, Failure> {
    let probe = named(name)?;
    let tried = with_coordinator(token, &Terms::of_doctor(), Arc::new(Screen::new(None)), |coordinator| {
        let probe = probe.clone();
        async move { probe_once(&coordinator, &probe, args).await }
    })?;
    let answered = render::answer(render::doctor::probe(&probe, &tried).as_bytes());
    Ok(exit_code(tried.stopped == Some(true), answered))
}

/// What a coordinator that was taken over gets of the spawner of this `run`.
fn try_plan(token: SingleThreaded, name: &str, args: RunArgs) -> Result<u8, Failure> {
    let plan = Plan::parse(name).ok_or_else(|| refused(format!("there is no plan {name:?}")))?;
    let settings = args.settings().map_err(|error| run::refusal(&error))?;
    let job = Job::new(settings, run::surroundings()).map_err(|error| run::refusal(&error))?;
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

fn named(name: &str) -> Result<Probe, Failure> {
    Probe::parse(name).ok_or_else(|| refused(format!("there is no probe {name:?}")))
}

async fn probe_once(coordinator: &Arc<Coordinator>, probe: &Probe, args: &DoctorArgs) -> Result<Tried, Failure> {
    let mut walls = coordinator.walls();
    let out = left_out(args, walls.clone());
    walls.retain(|wall| !out.contains(wall));
    if probe.needs_filter() && !walls.contains(&Wall::Seccomp) {
        return Err(refused(format!("the probe {probe} is tried only behind the wall \"seccomp\"")));
    }
    let stage = Stage::new().map_err(|error| Failure::of(&error))?;
    attempt(coordinator, &stage, probe, &walls).await.map_err(|error| failure(&error))
}

/// The walls that `--with` or `--without` leave out of these.
fn left_out(args: &DoctorArgs, walls: Walls) -> Walls {
    let with = |with: &Vec<Wall>| walls.iter().copied().filter(|wall| !with.contains(wall)).collect();
    let without = args.without.iter().flatten().copied().collect();
    args.with.as_ref().map_or(without, with)
}

fn exit_code(well: bool, answered: u8) -> u8 {
    if well || answered != exit_code::SUCCESS { answered } else { NOT_WELL }
}

fn refused(what: String) -> Failure {
    Failure { problem: Problem::new(what), code: exit_code::REFUSED }
}

fn failure(error: &attempt::Error) -> Failure {
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
