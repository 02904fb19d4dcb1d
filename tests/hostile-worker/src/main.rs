//! `sandhog-worker` as it would be if it had been taken over: its zygotes and the workers of probes say what a test tells them to
//! say. Guests run as everywhere, but that they may have any object's memory as bytes (`open-memory` of `raw:NAME`).

use sandhog_probes as _;
use sandhog_sys::process::SingleThreaded;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(token) = SingleThreaded::claim() else { return ExitCode::FAILURE };
    if sandhog_zygote::is_wanted() {
        sandhog_zygote::main::<sandhog_worker::Guests>(token, sandhog_build_id::ID);
    }
    ExitCode::FAILURE
}
