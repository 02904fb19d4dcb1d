//! `sandhog inspect`: what a module is and needs, without running anything of it.

use super::args::InspectArgs;
use super::embedded::{Failure, with_coordinator};
use super::render;
use super::render::problem::Problem;
use super::render::screen::Screen;
use super::run;
use sandhog_protocol::exit_code;
use sandhog_protocol::inspect::Inspection;
use sandhog_runtime::terms::Terms;
use sandhog_sys::process::SingleThreaded;
use std::sync::Arc;

/// Inspects and returns the exit code.
pub fn run(token: SingleThreaded, args: InspectArgs) -> u8 {
    let json = args.json;
    match try_inspect(token, args) {
        Ok(inspection) if json => match render::inspection::json(&inspection) {
            Ok(line) => render::answer(line.as_bytes()),
            Err(error) => {
                render::report(&Problem::of(&error));
                exit_code::SANDHOG_FAILED
            }
        },
        Ok(inspection) => render::answer(render::inspection::text(&inspection).as_bytes()),
        Err(failure) => {
            render::report(&failure.problem);
            failure.code
        }
    }
}

fn try_inspect(token: SingleThreaded, args: InspectArgs) -> Result<Box<Inspection>, Failure> {
    let job = run::checked(args.compile.settings(args.module))?;
    let view = Arc::new(Screen::new(None));
    with_coordinator(
        token,
        &Terms::of(&job),
        view,
        |coordinator| async move { run::given(coordinator.inspect(&job).await) },
    )
}
