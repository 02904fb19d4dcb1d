//! The caisson: a process that seals itself, loads one module, and clones a worker for each attempt. The executable
//! defines the work of its workers ([`Workload`]): `sandhog-worker` runs guests, `sandhog-compiler` compiles modules.
//!
//! ```text
//! zygote: seal ──▶ Workload::load ──clone──▶ worker: seal ──▶ hello (──▶ Workload::warm) ──▶ go ──▶ Workload::work ──▶ report
//! ```
//!
//! Must not: trust a module, open anything by path, start a thread, keep a secret, draw a random number before it has cloned.

#[cfg(feature = "hostile")]
mod hostile;
mod panic;
mod worker;
mod workload;
mod zygote;

pub use panic::panicked;
pub use workload::{Assignment, Workload};
pub use zygote::{is_wanted, main};
