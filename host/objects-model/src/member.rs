//! Members as words of memory name them.
//!
//! Must not: know which members there are.

use crate::halves::short;
use sandhog_protocol::objects::{Member, SEATS};

/// Bits of a word that a member takes: its seat in the lower 14, its generation above. The two bits that are left are for
/// whoever defines the word.
pub(crate) const BITS: u32 = 30;

const SEAT_BITS: u32 = 14;

/// A member's word. Never below [`SEATS`], because no generation is 0: smaller numbers are free for other meanings.
#[must_use]
pub const fn code(member: Member) -> u32 {
    (member.seat as u32 & (SEATS as u32 - 1)) | (member.generation as u32) << SEAT_BITS
}

/// The member of a word's lower 30 bits; `None`: there is none.
#[must_use]
pub const fn named(word: u32) -> Option<Member> {
    let word = word & ((1 << BITS) - 1);
    let member = Member { seat: short(word & (SEATS as u32 - 1)), generation: short(word >> SEAT_BITS) };
    if member.generation == 0 { None } else { Some(member) }
}
