//! No capabilities, and nothing to regain them by.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, geteuid, set_dumpable_behavior};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("empty the bounding set of capabilities")]
    Bounding(#[source] Errno),
    #[error("lock the secure bits")]
    SecureBits(#[source] Errno),
    #[error("change the ambient capabilities")]
    Ambient(#[source] Errno),
    #[error("set the capabilities")]
    Set(#[source] Errno),
    #[error("capabilities remain")]
    Remain,
    #[error("set no_new_privs")]
    NoNewPrivileges(#[source] Errno),
    #[error("forbid core dumps and tracing")]
    Dumpable(#[source] Errno),
}

/// What a zygote keeps, in its own user namespace: the right to give its workers ids and pid namespaces.
const ZYGOTE: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::SYS_ADMIN);

/// The zygote's step: nothing that is executed from here on gains a capability, whatever its file says
/// (capabilities(7), "The securebits flags").
pub fn lock_down() -> Result<(), Error> {
    empty_bounding_set().map_err(Error::Bounding)?;
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    set_capabilities_secure_bits(bits).map_err(Error::SecureBits)?;
    clear_ambient_capability_set().map_err(Error::Ambient)?;
    set(ZYGOTE)
}

/// For a zygote that is not started in a user namespace of its own: whoever is not uid 0 loses all capabilities at an
/// exec but the ambient ones (capabilities(7)), and a zygote needs them to clone workers and to raise its walls.
pub fn keep_across_exec() -> Result<(), Error> {
    if geteuid().is_root() {
        return Ok(());
    }
    let has = capabilities(None).map_err(Error::Set)?;
    set_capabilities(None, CapabilitySets { inheritable: has.permitted, ..has }).map_err(Error::Set)?;
    for capability in has.permitted.iter() {
        configure_capability_in_ambient_set(capability, true).map_err(Error::Ambient)?;
    }
    Ok(())
}

/// The worker's step: nothing is left.
pub fn drop_all() -> Result<(), Error> {
    set(CapabilitySet::empty())?;
    let left = capabilities(None).map_err(Error::Set)?;
    if (left.effective | left.permitted | left.inheritable).is_empty() { Ok(()) } else { Err(Error::Remain) }
}

/// Also for whom the plan leaves capabilities: without it an unprivileged process may not load a filter.
pub fn no_new_privileges() -> Result<(), Error> {
    set_no_new_privs(true).map_err(Error::NoNewPrivileges)
}

/// No core dump, no tracing, no reading of its memory through /proc, by whoever has the same id.
pub fn not_dumpable() -> Result<(), Error> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(Error::Dumpable)
}

fn set(keep: CapabilitySet) -> Result<(), Error> {
    let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(Error::Set)
}

/// Capabilities are numbered without gaps; the first number that the kernel does not know ends the list.
fn empty_bounding_set() -> Result<(), Errno> {
    for number in 0..u64::BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            Err(Errno::INVAL) if number > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
