//! The kind of a module and its needs, for `sandhog inspect`. All texts come from a stranger's module, or from the
//! compiler that read it: whoever shows them escapes them.

use serde::{Deserialize, Serialize};

/// Most imports, exports and memories that are listed; of more, the number is told. With the lengths below the whole stays
/// far below [`crate::limits::FRAME`].
pub const ITEMS: usize = 200;

/// Longest name and longest type of one of them, in characters.
pub const NAME: usize = 100;
pub const TYPE: usize = 200;

/// One module, looked at without running anything of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    pub form: Form,
    /// It came as text.
    pub text: bool,
    /// The file's size.
    pub bytes: u64,
    /// The size of the component that is made of it, where that is done.
    pub component_bytes: Option<u64>,
    /// None: of none that can be run.
    pub world: Option<World>,
    /// The versions of WASI that it imports or exports: `0.1`, `0.2`, `0.3`.
    pub wasi: Vec<String>,
    /// Why it would be refused; a sentence.
    pub refused: Option<String>,
    /// Grants that it may want.
    pub needs: Vec<Need>,
    pub imports: Vec<Item>,
    pub exports: Vec<Item>,
    pub memories: Vec<Memory>,
    /// A function runs as soon as it is instantiated.
    pub start: bool,
    /// How many of imports, exports and memories are not listed.
    pub omitted: u64,
}

/// What the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    CoreModule,
    /// A core module with a component's type, which is made a component on the way.
    CoreModuleWithComponentType,
    Component,
}

/// What it is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// It runs from its start to its end.
    Command,
    /// It answers tasks.
    Handler,
    /// It answers requests of HTTP.
    Http,
}

/// An import or an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// `wasi:cli/run@0.2.3`; of core modules `wasi_snapshot_preview1.fd_write`.
    pub name: String,
    /// A function's signature, or of what kind it is.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A linear memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub initial_bytes: u64,
    /// None: as much as it gets.
    pub maximum_bytes: Option<u64>,
    pub shared: bool,
}

/// A grant that it may want. That it imports something does not mean that it uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// With a placeholder: `--dir HOST::GUEST`. None: there is no such grant.
    pub flag: Option<String>,
    /// A clause: "it can open files".
    pub reason: String,
}
