//! Texts of the host's in a guest's memory: arguments, or an environment.

use super::{
    errno::{Errno, Failure},
    memory::{self, bytes_mut, put_size},
};

/// Texts that a program finds in its memory, each with a zero behind it.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    count: usize,
    bytes: Vec<u8>,
}

impl Texts {
    pub(crate) fn new<'a>(texts: impl Iterator<Item = Vec<&'a str>>) -> Self {
        let mut all = Self::default();
        for parts in texts {
            parts.iter().for_each(|part| all.bytes.extend_from_slice(part.as_bytes()));
            all.bytes.push(0);
            all.count += 1;
        }
        all
    }

    /// Their number and their length.
    pub(super) fn sizes(&self, memory: &mut [u8], count: u32, length: u32) -> Result<(), Failure> {
        put_size(memory, count, self.count)?;
        put_size(memory, length, self.bytes.len())
    }

    /// The texts at `buffer`, and where each begins, in a list at `list`.
    pub(super) fn get(&self, memory: &mut [u8], list: u32, buffer: u32) -> Result<(), Failure> {
        let length = u32::try_from(self.bytes.len()).map_err(|_| Errno::Overflow)?;
        bytes_mut(memory, buffer, length)?.copy_from_slice(&self.bytes);
        let (mut slot, mut start) = (list, buffer);
        for text in self.bytes.split_inclusive(|byte| *byte == 0) {
            memory::put(memory, slot, start.to_le_bytes())?;
            slot = slot.checked_add(4).ok_or(Failure::Pointer)?;
            start = start.saturating_add(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lie_one_behind_the_other_and_the_list_says_where() {
        let texts = Texts::new([vec!["a"], vec!["K", "=", "v"], vec![""]].into_iter());
        let mut memory = [b'.'; 32];
        texts.sizes(&mut memory, 0, 4).unwrap();
        assert_eq!(memory[..8], [3, 0, 0, 0, 7, 0, 0, 0]);
        texts.get(&mut memory, 0, 16).unwrap();
        assert_eq!(memory[..12], [16, 0, 0, 0, 18, 0, 0, 0, 22, 0, 0, 0]);
        assert_eq!(memory[16..24], *b"a\0K=v\0\0.");
        assert_eq!(texts.get(&mut memory, 0, 26), Err(Failure::Pointer));
        assert_eq!(texts.get(&mut memory, u32::MAX - 3, 0), Err(Failure::Pointer));
    }
}
