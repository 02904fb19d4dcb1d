//! What the engine's end of a guest leaves behind for a debugger: a core dump in the format of WebAssembly's tool
//! conventions ("Coredump"), written to the file that came along. The worker knows no name of it.

use sandhog_protocol::worker::{Coredump, End};
use sandhog_sys::timer;
use sandhog_zygote::panicked;
use std::{
    fs::File,
    io::Write,
    os::fd::OwnedFd,
    panic::{self, AssertUnwindSafe},
};
use wasmtime::{Store, WasmCoreDump};

/// Writes it where the engine's `error` holds one and there is a file. `name`: the guest's own, for the dump.
pub(super) fn write<T: 'static>(
    error: &wasmtime::Error,
    end: &End,
    store: &mut Store<T>,
    name: Option<&String>,
    file: Option<OwnedFd>,
) -> Option<Coredump> {
    let file = file.filter(|_| is_wanted(end))?;
    // It is not the guest's time that this takes.
    timer::stop();
    let failed = |reason: String| Some(Coredump::Failed { reason });
    let Some(dump) = error.downcast_ref::<WasmCoreDump>() else {
        return failed("the engine has none: no code of the guest was running".to_owned());
    };
    let name = name.map_or("", String::as_str);
    // The engine panics over what its format has no word for.
    let bytes = match panic::catch_unwind(AssertUnwindSafe(|| dump.serialize(store, name))) {
        Ok(bytes) => bytes,
        Err(payload) => return failed(format!("the engine could not make it: {}", panicked(payload.as_ref()))),
    };
    match File::from(file).write_all(&bytes) {
        Ok(()) => Some(Coredump::Written { bytes: bytes.len() as u64 }),
        Err(error) => failed(format!("{} bytes could not be written: {error}", bytes.len())),
    }
}

/// The engine ended the guest, which was running.
fn is_wanted(end: &End) -> bool {
    match end {
        End::Trapped { .. } | End::Fuel | End::Memory { .. } => true,
        End::Exited { .. } | End::Deadline | End::Cpu | End::Refused { .. } | End::Broken { .. } => false,
    }
}
