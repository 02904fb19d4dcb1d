//! `sandhog-worker`: a process that `sandhog` starts and seals, and that runs guests.

use sandhog_sys::process::SingleThreaded;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(token) = SingleThreaded::claim() else { return ExitCode::FAILURE };
    sandhog_channel::look_before_sleeping();
    if sandhog_zygote::is_wanted() {
        sandhog_zygote::main::<sandhog_worker::Guests>(token, sandhog_build_id::ID);
    }
    eprintln!("sandhog-worker: error: this is a part of sandhog, which starts it: see sandhog --help");
    ExitCode::FAILURE
}
