//! What a function comes to that returns it as it is.

use super::super::element::Element;
use wasmtime::WasmTy;

/// See [`super`].
pub(in super::super) trait Plain {
    type Flat: WasmTy;

    fn flat(self) -> Self::Flat;
}

impl Plain for u32 {
    type Flat = u32;

    fn flat(self) -> u32 {
        self
    }
}

impl Plain for u64 {
    type Flat = u64;

    fn flat(self) -> u64 {
        self
    }
}

impl Plain for Element {
    type Flat = u32;

    fn flat(self) -> u32 {
        self as u32
    }
}
