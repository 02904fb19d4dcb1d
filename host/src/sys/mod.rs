//! The system calls that no safe crate offers, one family a file: the host's only unsafe code.
//!
//! Absent from here: policy. A wrapper turns arguments into one call and its answer into a type; which call
//! is made when is decided by its callers.

#![allow(unsafe_code)]

pub(crate) mod accounts;
pub(crate) mod alloc;
pub(crate) mod artifact;
#[cfg(test)]
pub(crate) mod child;
pub(crate) mod clock;
#[cfg(test)]
pub(crate) mod in_child;
pub(crate) mod inherited;
pub(crate) mod landlock;
pub(crate) mod last_words;
pub(crate) mod lock;
pub(crate) mod mount;
pub(crate) mod mountinfo;
pub(crate) mod priority;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod ready;
pub(crate) mod seccomp;
pub(crate) mod signal;
pub(crate) mod timer;
