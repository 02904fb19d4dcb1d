//! The system calls that no safe crate offers, one family a file: the host's only unsafe code.
//!
//! Absent from here: policy. A wrapper turns arguments into one call and its answer into a type; which call
//! is made when is decided by its callers.

#![allow(unsafe_code)]

pub mod alloc;
#[cfg(any(test, feature = "children-of-tests"))]
pub mod child;
pub mod clock;
pub mod descriptors;
mod entry;
pub mod futex;
#[cfg(any(test, feature = "children-of-tests"))]
pub mod in_child;
pub mod inherited;
pub mod landlock;
pub mod last_words;
pub mod lock;
pub mod mount;
pub mod mountinfo;
pub mod priority;
pub mod probe;
pub mod process;
#[cfg(feature = "event-loop")]
pub mod ready;
pub mod seccomp;
pub mod shared;
pub mod signal;
mod single_threaded;
pub mod stamps;
pub mod tcp;
pub mod text;
pub mod timer;
