//! Bad behaviour of the guests that serve HTTP, of either WASI. A file of these guests, as `shares.rs` is.

/// A number of the query; 0 where there is none.
pub fn parameter(query: &str, name: &str) -> u64 {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(known, _)| *known == name).find_map(|(_, value)| value.parse().ok()).unwrap_or(0)
}

pub fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

pub fn trap() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
}

/// How many bytes there were when no more came.
pub fn allocated() -> usize {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(1 << 20).is_err() {
            return pieces.len() << 20;
        }
        piece.resize(1 << 20, 1);
        pieces.push(piece);
    }
}
