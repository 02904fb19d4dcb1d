//! Random numbers for components, from the kernel.
//!
//! The library's generators are seeded once for each thread, and a fork would repeat them. These hold nothing that is
//! older than the guest.

use rand_core::TryRng;
use rustix::{
    io::retry_on_intr,
    rand::{GetRandomFlags, getrandom},
};
use sandhog_sys::process;
use std::convert::Infallible;

/// Bytes that are asked for at once: the library takes four for each byte that it hands to a guest.
const BUFFER: usize = 1024;

/// The kernel's random numbers, some of them ahead of time.
pub(super) struct Kernel {
    buffer: [u8; BUFFER],
    used: usize,
}

impl Kernel {
    pub(super) fn new() -> Self {
        Self { buffer: [0; BUFFER], used: BUFFER }
    }

    pub(super) fn seed(&mut self) -> u128 {
        u128::from_ne_bytes(self.take())
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, mut wanted: &mut [u8]) {
        while !wanted.is_empty() {
            if self.used == BUFFER {
                draw(&mut self.buffer);
                self.used = 0;
            }
            let length = wanted.len().min(BUFFER - self.used);
            let (now, later) = wanted.split_at_mut(length);
            now.copy_from_slice(&self.buffer[self.used..self.used + length]);
            self.used += length;
            wanted = later;
        }
    }
}

fn draw(mut bytes: &mut [u8]) {
    while !bytes.is_empty() {
        match retry_on_intr(|| getrandom(&mut *bytes, GetRandomFlags::empty())) {
            Ok(length) => bytes = bytes.get_mut(length..).unwrap_or_default(),
            // The trait knows no failure, and what is not random must never be handed out as if it were.
            Err(_) => process::exit_now(1),
        }
    }
}

impl TryRng for Kernel {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_never_what_was_drawn_before() {
        let mut kernel = Kernel::new();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            assert!(seen.insert(kernel.take::<16>()));
        }
    }

    #[test]
    fn more_than_the_buffer_is_filled_to_its_end() {
        let mut bytes = [0; 5 * BUFFER + 3];
        Kernel::new().fill(&mut bytes);
        let (_, end) = bytes.split_at(5 * BUFFER - 61);
        assert!(end.iter().any(|byte| *byte != 0));
    }
}
