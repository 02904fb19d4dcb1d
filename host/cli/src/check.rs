//! `sandhog check`: is the manifest good, and what do its jobs come to with all defaults. Nothing is started.

use super::args::CheckArgs;
use super::embedded::Failure;
use super::ending::report;
use super::manifest_file::{self, Manifest};
use super::profile::Profile;
use super::render;
use sandhog_spec::time;
use sandhog_sys::clock;

/// Checks the manifest, prints the settings of its jobs, and returns the exit code.
pub fn run(args: &CheckArgs) -> u8 {
    report(try_run(args))
}

fn try_run(args: &CheckArgs) -> Result<u8, Failure> {
    let file = args.file.as_deref();
    let manifest: Manifest = manifest_file::load(file, &Profile::chosen(args.profile.profile.as_deref())?)?;
    manifest_file::check_files(file, &manifest)?;
    render::warn(&manifest_file::exposed(file, &manifest));
    if args.json {
        return Ok(render::answer_json(&render::manifest::json(&manifest)));
    }
    Ok(render::answer(render::manifest::text(&manifest, time::at(clock::now_ms())).as_bytes()))
}
