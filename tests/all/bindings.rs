//! The bindings in the guests' SDK, and those for C, are what wit-bindgen makes of wit/sandhog.wit.
//!
//! They are checked in, because making them anew in every build would cost each author of a job half a minute of compiling.
//! After a change of the interface: `SANDHOG_BLESS=1 cargo test --release -p sandhog-tests bindings`.

use std::fmt::Write;
use std::path::PathBuf;
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, Ownership, WithOption};

/// Where the SDK has them.
const ABI: &str = "guest-sdk/src/abi.rs";

/// Where those for C are: a header, a source, and an object that carries the world into the module.
const C: &str = "jobs/c/bindings";

/// What the interface takes as bytes and a guest has as numbers: the file is where the SDK has its unsafe code.
const BYTES: &str = r"
/// Numbers as the bytes that they are, in this processor's order: of wasm, the little end first.
pub mod bytes {
    use ::core::mem::size_of_val;

    /// # Safety
    /// Whoever implements it upholds that its values have no byte that is not theirs, and that all bits are a value.
    pub unsafe trait Plain: Copy {}

    macro_rules! plain {
        ($($type:ident)*) => {
            // SAFETY: integers and floats of the processor's are that.
            $(unsafe impl Plain for $type {})*
        };
    }

    plain!(i8 u8 i16 u16 i32 u32 i64 u64 f32 f64);

    pub fn of<T: Plain>(numbers: &[T]) -> &[u8] {
        // SAFETY: all of their bytes are initialised, see `Plain`; a byte has no alignment, and the borrow is the same one.
        unsafe { ::core::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
    }

    pub fn of_mut<T: Plain>(numbers: &mut [T]) -> &mut [u8] {
        // SAFETY: as in `of`, and whatever is written is a value, see `Plain`.
        unsafe { ::core::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers)) }
    }
}
";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files that a generator makes for one world.
fn files(world: &str, mut generator: Box<dyn WorldGenerator>) -> Files {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(root().join("wit/sandhog.wit")).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files).unwrap();
    files
}

/// The bindings of one world for Rust.
fn generate(world: &str, options: Opts) -> String {
    let options = Opts { format: true, ownership: Ownership::Borrowing { duplicate_if_necessary: true }, ..options };
    let files = files(world, Box::new(options.build()));
    let (_, text) = files.iter().next().unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

/// What a handler has beyond a command: its export. The interfaces are the command's.
fn generate_export() -> String {
    let path = |name: &str| WithOption::Path(format!("crate::abi::sandhog::job::{name}"));
    let interfaces = ["types", "process", "sockets", "channel", "objects", "children"];
    let text = generate(
        "handler",
        Opts {
            with: interfaces.map(|name| (format!("sandhog:job/{name}@0.1.0"), path(name))).into(),
            pub_export_macro: true,
            export_macro_name: Some("export_handler".into()),
            disable_custom_section_link_helpers: true,
            ..Opts::default()
        },
    );
    // Behind it, a section for whoever has these bindings and exports nothing: every command would carry it. And an example
    // that is no example of ours.
    let (export, _) = text.rsplit_once("#[rustfmt::skip]\n#[cfg(target_arch = \"wasm32\")]").unwrap();
    let lines = export.lines().filter(|line| !line.starts_with("///"));
    lines.fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    })
}

#[test]
fn the_sdks_bindings_are_what_the_interface_gives() {
    let command = generate("command", Opts { generate_all: true, ..Opts::default() });
    let export = generate_export();
    let made = format!("{command}\n/// A handler's export.\npub mod handler {{\n{export}}}\n{BYTES}");
    hold(ABI, made.as_bytes());
}

#[test]
fn the_bindings_for_c_are_what_the_interface_gives() {
    for (name, made) in files("command", wit_bindgen_c::Opts::default().build()).iter() {
        hold(&format!("{C}/{name}"), made);
    }
}

/// Fails where a file is not what was made; with `SANDHOG_BLESS` it becomes that.
fn hold(file: &str, made: &[u8]) {
    let path = root().join(file);
    if std::env::var_os("SANDHOG_BLESS").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let found = std::fs::read(&path).unwrap();
    assert!(found == made, "{file} is not what wit/sandhog.wit gives; see the head of tests/all/bindings.rs");
}
