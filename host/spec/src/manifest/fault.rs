//! A fault of a manifest.

/// What is wrong with a manifest, and where. Lines and columns begin with 1; a column is a character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    pub line: usize,
    pub column: usize,
    /// One sentence, harmless to a terminal.
    pub text: String,
}
