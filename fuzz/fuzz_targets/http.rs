//! What a client sends to a worker that serves, in pieces of any size, through all of HTTP to a guest in place of a component:
//! nothing panics or hangs, each request is told of once, and no answer follows a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandhog_worker::exercise;

fuzz_target!(|input: &[u8]| {
    let Some((size, stream)) = input.split_first() else { return };
    let pieces: Vec<&[u8]> = stream.chunks(usize::from(*size).max(1)).collect();
    // However it is cut, its answers are the same.
    assert_eq!(exercise(&pieces).answers, exercise(&[stream]).answers);
});
