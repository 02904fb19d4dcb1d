//! Features of libraries, the same in each executable, so that cargo compiles a library once and not for each of them: for a
//! library with other features, or that stands on one, is another one to it. There is no code here, only the manifest.
//!
//! Must not: ask for anything that does something in a worker which a worker does not need: tokio, above all, whose `signal` the
//! filter kills. A feature belongs here where it changes what compiles, and not what runs.
