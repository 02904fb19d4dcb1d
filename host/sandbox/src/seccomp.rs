//! The wall of system calls: an allow-list as data ([`policy`]), a compiler from it to classic BPF
//! ([`mod@program`]), and the one function that loads the result.
//!
//! It must not decide anything by itself: what a process may call stands in the tables, with a reason for
//! each rule, and whatever a list does not name kills the process (SECCOMP_RET_KILL_PROCESS, seccomp(2)).
//!
//! Filters stack, and the kernel obeys the strictest: a zygote's filter therefore allows whatever its
//! workers' filters allow, and a worker's filter can only take away.

mod filter;
mod names;
mod narrowed;
mod policy;
mod program;
#[cfg(test)]
mod tests;

pub use filter::{Filter, Peers};
pub use narrowed::Narrowed;
use sandhog_sys::seccomp::{self, Instruction};
use std::{collections::BTreeMap, io, sync::OnceLock};

#[cfg(not(target_arch = "x86_64"))]
compile_error!(
    "the allow-lists of system calls in sandbox/seccomp/policy.rs are written and tried for x86_64 only; \
     another architecture needs its own architecture check and its own names for the older calls"
);

/// Why a filter was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// EACCES: `no_new_privs` is not set and the caller lacks CAP_SYS_ADMIN.
    #[error("load the filter of system calls")]
    Load(#[source] io::Error),
}

/// The program that the kernel runs before each system call. Pure.
pub fn program(filter: Filter) -> Vec<Instruction> {
    program::compile(&policy::rules(filter), policy::otherwise(filter))
}

/// Compiles it, so that [`narrow`] in a child that is forked later has only to load it.
pub fn prepare(narrowed: Narrowed) {
    PREPARED.get_or_init(|| (narrowed, narrowed.program()));
}

/// Loads what is missing, for good, into a process that has the filter beneath already. Conditions and errors as for [`apply`].
///
/// # Errors
/// As [`apply`].
pub fn narrow(narrowed: Narrowed) -> Result<(), Error> {
    match PREPARED.get() {
        Some((prepared, program)) if *prepared == narrowed => seccomp::add_filter(program),
        Some(_) | None => seccomp::add_filter(&narrowed.program()),
    }
    .map_err(Error::Load)
}

/// A zygote's workers all have the same.
static PREPARED: OnceLock<(Narrowed, Vec<Instruction>)> = OnceLock::new();

/// Loads `filter` into the calling thread, for good. The process must be single-threaded and must have
/// `no_new_privs` set.
///
/// # Errors
/// [`Error::Load`]; nothing has changed then.
pub fn apply(filter: Filter) -> Result<(), Error> {
    seccomp::add_filter(&program(filter)).map_err(Error::Load)
}

/// The name of a system call of this architecture, as in its manual page. None: no such call is known.
pub fn name(number: u32) -> Option<&'static str> {
    names::name(number)
}

/// Calls by number, each with its name and the reasons for it.
pub type Calls = BTreeMap<u32, (&'static str, Vec<&'static str>)>;

/// The calls that a filter lets through, some of them only with certain arguments.
pub fn allowed(filter: Filter) -> Calls {
    listed(filter, |action| action == policy::Action::Allow)
}

/// The calls that a filter answers with an error, whatever their arguments, instead of ending the process.
pub fn answered(filter: Filter) -> Calls {
    let allowed = allowed(filter);
    let mut calls = listed(filter, |action| action != policy::Action::Allow);
    calls.retain(|number, _| !allowed.contains_key(number));
    calls
}

fn listed(filter: Filter, is_meant: impl Fn(policy::Action) -> bool) -> Calls {
    let mut calls = Calls::new();
    for rule in policy::rules(filter).iter().filter(|rule| is_meant(rule.action)) {
        let (_, reasons) = calls.entry(rule.number).or_insert_with(|| (rule.name, Vec::new()));
        reasons.push(rule.reason);
    }
    calls
}
