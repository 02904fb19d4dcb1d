//! Names of directories in a hierarchy: that of all our cgroups, and what one of ours may be called.
//!
//! Must not: know whose a cgroup is; whoever asks for one names it.

/// The directory of all our cgroups, in each hierarchy.
pub(super) const HOME: &str = "sandhog";

/// Nothing that could lead to another directory.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}
