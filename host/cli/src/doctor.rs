//! `sandhog doctor`: which walls this machine gives, and what each of them stops.
//!
//! The exit code is 0 where every wall that must stand does and every trial ends as it must, else 1; with `--probe`, 0
//! where the probe was stopped.

#[cfg(feature = "hostile")]
mod hostile;
mod trial;

use super::args::DoctorArgs;
use super::embedded::{Failure, with_coordinator};
use super::render;
use super::render::screen::Screen;
use sandhog_doctor::Probe;
use sandhog_doctor::attempt::{Tried, attempt};
use sandhog_doctor::matrix::{self, Row};
use sandhog_doctor::stage::Stage;
use sandhog_protocol::plan::{Wall, Walls};
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::terms::Terms;
use sandhog_sys::process::SingleThreaded;
use std::sync::Arc;
use trial::{exit_code, failure, left_out, named, refused};

/// Examines this machine and returns the exit code.
pub fn run(token: SingleThreaded, args: DoctorArgs) -> u8 {
    let answered = match (&args.probe, args.job()) {
        (_, Err(stop)) => return render::stop(&stop),
        (Some(name), Ok(None)) => try_probe(token, name, &args),
        #[cfg(feature = "hostile")]
        (Some(name), Ok(Some(job))) => hostile::run(token, name, &args, job),
        #[cfg(not(feature = "hostile"))]
        (Some(_), Ok(Some(_))) => Err(refused("no probe takes a guest's place".to_owned())),
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
