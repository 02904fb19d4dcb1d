//! Executes `unreachable`.

#[cfg(target_arch = "wasm32")]
fn main() {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {}
