//! Ids of attempts.

use sandhog_sys::clock;
use std::io;
use std::sync::{Mutex, PoisonError};

/// A new attempt's id: never used again, and of one coordinator later ones sort behind earlier ones. 48 bits of time in
/// milliseconds and 80 of chance, in Crockford's base 32: the ULID format, with its rule for several in one millisecond.
pub fn new_attempt_id() -> io::Result<String> {
    static LAST: Mutex<u128> = Mutex::new(0);
    let mut chance = [0; 10];
    rustix::rand::getrandom(&mut chance, rustix::rand::GetRandomFlags::empty())?;
    let millis = u128::from(clock::now_ms());
    let chance = chance.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    *last = (millis << 80 | chance).max(*last + 1);
    Ok(base32(*last))
}

fn base32(number: u128) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    (0..26).rev().map(|digit| char::from(DIGITS[(number >> (5 * digit)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_26_digits_and_sort_by_number() {
        assert_eq!(base32(0), "00000000000000000000000000");
        assert_eq!(base32(u128::MAX), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert!(base32(1 << 80) > base32((1 << 80) - 1));
    }

    #[test]
    fn each_id_sorts_behind_the_one_before() {
        let ids: Vec<String> = (0..1000).map(|_| new_attempt_id().unwrap()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
    }
}
