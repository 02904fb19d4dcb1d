//! How the functions of a linker wait.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Nothing else goes on in the worker meanwhile.
    Blocks,
    /// Whatever else there is in the worker goes on.
    Yields,
}
