//! What lies in the directory that a probe is granted, and beside it.
//!
//! Must not: make any of it; whoever sets the stage does.

use std::ffi::CStr;

/// A file in the granted directory.
pub const FILE: &str = "file";
/// A file there that is setuid, and no program at all: whoever may execute it is told ENOEXEC.
pub const SETUID: &CStr = c"setuid";
/// A file that everybody may read, as seen from the granted directory.
pub const OUTSIDE: &str = "../public";
