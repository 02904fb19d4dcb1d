//! Answers as they lie in a guest's memory, by the canonical ABI (Component Model, "Canonical ABI Explainer", Alignment and
//! Element Size): a record's fields one after the other, each at a multiple of its alignment; a variant's number as a byte and
//! its content behind it, at the alignment of the largest of its contents.
//!
//! Must not: call the guest.

use super::super::super::types::{Death, Error, Format, Incoming, Usage, Verdict};
use super::super::acquired::Acquired;
use super::super::taken::Taken;
use crate::guest::BadPointer;
use sandhog_engine::objects::MODULE;
use wasmtime::component::Resource;

/// The guest's memory, and what has to be put where the guest makes room for it.
pub(in super::super) struct Out<'a> {
    pub(super) memory: &'a mut [u8],
    /// Each behind a pointer to the next: most answers have none, and are not to pay for a `Vec` that is moved and dropped.
    pub(super) lists: Option<Box<List>>,
}

/// Bytes for which the guest makes room.
pub(super) struct List {
    /// Where address and length of it belong.
    pub(super) at: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) next: Option<Box<List>>,
}

impl Out<'_> {
    #[inline]
    pub(super) fn put<const N: usize>(&mut self, at: u32, bytes: [u8; N]) -> Result<(), BadPointer> {
        let place = self.memory.get_mut(at as usize..at as usize + N);
        place.ok_or(BadPointer { call: MODULE })?.copy_from_slice(&bytes);
        Ok(())
    }

    /// A variant's number.
    #[inline]
    fn case(&mut self, at: u32, number: u8) -> Result<(), BadPointer> {
        self.put(at, [number])
    }

    fn list(&mut self, at: u32, bytes: Vec<u8>) {
        self.lists = Some(Box::new(List { at, bytes, next: self.lists.take() }));
    }
}

#[inline]
fn behind(at: u32, offset: u32) -> Result<u32, BadPointer> {
    at.checked_add(offset).ok_or(BadPointer { call: MODULE })
}

/// See [`super`].
pub(in super::super) trait Tell {
    /// # Errors
    /// Where the guest's place for it is outside of its memory.
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer>;
}

/// Some of an error's contents are aligned to 8 bytes, so all contents of a result with one are.
const CONTENT: u32 = 8;

impl<R: Tell> Tell for Result<R, Box<Error>> {
    #[inline]
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        let content = behind(at, CONTENT)?;
        match self {
            Ok(told) => {
                out.case(at, 0)?;
                told.tell(out, content)
            }
            Err(error) => {
                out.case(at, 1)?;
                error.tell(out, content)
            }
        }
    }
}

impl Tell for Error {
    #[cold]
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        let content = behind(at, CONTENT)?;
        let mut text = |number, text: String| {
            out.list(content, text.into_bytes());
            out.case(at, number)
        };
        match self {
            Self::Closed => out.case(at, 0),
            Self::TimedOut => out.case(at, 1),
            Self::WouldBlock => out.case(at, 2),
            Self::TooLarge(max) => {
                out.case(at, 3)?;
                max.tell(out, content)
            }
            Self::Denied(right) => text(4, right),
            Self::NotFound(name) => text(5, name),
            Self::Exists(name) => text(6, name),
            Self::Invalid(reason) => text(7, reason),
            Self::Poisoned(death) => {
                out.case(at, 8)?;
                death.tell(out, content)
            }
            Self::Quota(bound) => text(9, bound),
            Self::Stopping => out.case(at, 10),
            Self::Broken => out.case(at, 11),
        }
    }
}

impl Tell for Death {
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        out.list(at, self.attempt.into_bytes());
        self.verdict.tell(out, behind(at, 8)?)
    }
}

impl Tell for Verdict {
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        out.put(at, [self.kind as u8])?;
        self.code.tell(out, behind(at, 4)?)?;
        out.list(behind(at, 8)?, self.detail.into_bytes());
        self.used.tell(out, behind(at, 16)?)
    }
}

impl<R: Tell> Tell for Box<R> {
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        (*self).tell(out, at)
    }
}

impl Tell for Usage {
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        let fields = [
            self.start_us,
            self.wall_ms,
            self.cpu_ms,
            self.peak_memory_bytes,
            self.stdin_bytes,
            self.stdout_bytes,
            self.stderr_bytes,
            self.messages_received,
            self.messages_sent,
        ];
        (0..).zip(fields).try_for_each(|(place, field)| field.tell(out, behind(at, 8 * place)?))
    }
}

impl Tell for Acquired {
    #[inline]
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        let content = behind(at, 8)?;
        match self {
            Self::Clean(token) => {
                out.case(at, 0)?;
                token.tell(out, content)
            }
            Self::Poisoned((token, death)) => {
                out.case(at, 1)?;
                token.tell(out, content)?;
                death.tell(out, behind(content, 8)?)
            }
        }
    }
}

impl Tell for Incoming {
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        let format: u8 = match self.format {
            Format::Value => 0,
            Format::Bytes => 1,
            Format::Failure => 2,
        };
        out.put(at, [format])?;
        out.list(behind(at, 4)?, self.body);
        Ok(())
    }
}

impl Tell for Taken {
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        self.token.tell(out, at)?;
        self.message.tell(out, behind(at, 8)?)
    }
}

impl Tell for Vec<u8> {
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        out.list(at, self);
        Ok(())
    }
}

impl<U> Tell for Resource<U> {
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        // The table's places end long before the numbers do.
        self.rep().wrapping_add(1).tell(out, at)
    }
}

impl Tell for () {
    #[inline]
    fn tell(self, _: &mut Out<'_>, _: u32) -> Result<(), BadPointer> {
        Ok(())
    }
}

impl Tell for bool {
    #[inline]
    fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
        out.put(at, [u8::from(self)])
    }
}

macro_rules! numbers {
    ($($number:ident)+) => {
        $(impl Tell for $number {
            #[inline]
            fn tell(self, out: &mut Out<'_>, at: u32) -> Result<(), BadPointer> {
                out.put(at, self.to_le_bytes())
            }
        })+
    };
}

numbers! { u32 u64 i64 f64 }
