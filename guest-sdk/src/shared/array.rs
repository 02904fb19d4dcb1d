//! Many numbers of one kind.

use super::number::{Raw, from_bytes};
use super::value::expect;
use super::{Integer, MOST_BYTES, Number};
use crate::abi::bytes;
use crate::abi::sandhog::job::objects as host;
use crate::error::Result;
use crate::sync::{Guard, Held, Locked};
use crate::{Patience, nanoseconds};
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

/// So many numbers. A call for one of them is atomic. [`read`](Self::read) and [`write`](Self::write) copy many at once, which is
/// far cheaper, and copies at the same time can mix: where that matters, its [`lock`](Self::lock) is held meanwhile.
///
/// A place outside is [`Error::Invalid`](crate::Error::Invalid).
///
/// ```standalone_crate
/// use sandhog::shared::Array;
///
/// # fn main() -> sandhog::Result<()> {
/// let counts = Array::<u32>::new(256)?;
/// counts.add(usize::from(b'a'), 1)?;
/// counts.write(0, &[9, 8, 7])?;
/// assert_eq!(counts.get(2)?, 7);
/// assert_eq!(counts.read(96, 3)?, [0, 1, 0]);
/// # Ok(())
/// # }
/// ```
pub struct Array<T> {
    pub(crate) object: Rc<host::Array>,
    patience: Patience,
    number: PhantomData<T>,
}

impl<T: Number> Array<T> {
    /// The one that was granted under this name. [`Error::Invalid`](crate::Error::Invalid): it is of another type.
    pub fn open(name: &str) -> Result<Self> {
        let object = host::open_array(name)?;
        expect::<T>(object.element())?;
        Ok(Self { object: Rc::new(object), patience: None, number: PhantomData })
    }

    /// A new one without a name, of zeros.
    pub fn new(length: usize) -> Result<Self> {
        let object = host::create_array(T::ELEMENT, length as u64)?;
        Ok(Self { object: Rc::new(object), patience: None, number: PhantomData })
    }

    /// The same array, whose lock is not waited for longer than this.
    pub fn within(&self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self.clone() }
    }

    /// How many numbers it has; `usize::MAX` where a `usize` can't say it.
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        usize::try_from(self.object.length()).unwrap_or(usize::MAX)
    }

    /// One of them. Needs the right to read.
    #[inline]
    pub fn get(&self, index: usize) -> Result<T> {
        Ok(T::from_raw(match T::ZERO {
            Raw::Integer(_) => Raw::Integer(self.object.get_integer(index as u64)?),
            Raw::Float(_) => Raw::Float(self.object.get_float(index as u64)?),
        }))
    }

    /// Sets one of them. Needs the right to write.
    #[inline]
    pub fn set(&self, index: usize, number: T) -> Result<()> {
        match number.to_raw() {
            Raw::Integer(number) => Ok(self.object.set_integer(index as u64, number)?),
            Raw::Float(number) => Ok(self.object.set_float(index as u64, number)?),
        }
    }

    /// Adds to one of them: the number before. Integers wrap around.
    #[inline]
    pub fn add(&self, index: usize, amount: T) -> Result<T> {
        Ok(T::from_raw(match amount.to_raw() {
            Raw::Integer(amount) => Raw::Integer(self.object.add_integer(index as u64, amount)?),
            Raw::Float(amount) => Raw::Float(self.object.add_float(index as u64, amount)?),
        }))
    }

    /// So many from a place on.
    pub fn read(&self, index: usize, count: usize) -> Result<Vec<T>> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let some = (count - numbers.len()).min(MOST_BYTES / size_of::<T>());
            let bytes = self.object.read((index + numbers.len()) as u64, some as u64)?;
            numbers.reserve_exact(count - numbers.len());
            from_bytes(&bytes, &mut numbers);
        }
        Ok(numbers)
    }

    /// All of them.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.read(0, self.len())
    }

    /// Copies numbers to a place and those behind it.
    pub fn write(&self, index: usize, numbers: &[T]) -> Result<()> {
        let mut index = index as u64;
        for some in numbers.chunks(MOST_BYTES / size_of::<T>()) {
            self.object.write(index, bytes::of(some))?;
            index += some.len() as u64;
        }
        Ok(())
    }

    /// Its own lock: as [`Value::lock`](super::Value::lock).
    #[inline]
    pub fn lock(&self) -> Locked<Guard> {
        Held::Array(Rc::clone(&self.object)).lock(nanoseconds(self.patience))
    }
}

impl<T: Integer> Array<T> {
    /// Sets one of them where it is `expected`: the number before. It was set where that is `expected`.
    #[expect(clippy::cast_possible_truncation, reason = "an integer is never made a float")]
    pub fn compare_exchange(&self, index: usize, expected: T, number: T) -> Result<T> {
        let integer = |number: T| match number.to_raw() {
            Raw::Integer(number) => number,
            Raw::Float(number) => number as i64,
        };
        let before = self.object.compare_exchange_integer(index as u64, integer(expected), integer(number))?;
        Ok(T::from_raw(Raw::Integer(before)))
    }
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        Self { object: Rc::clone(&self.object), patience: self.patience, number: PhantomData }
    }
}

impl<T> fmt::Debug for Array<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Array").field("object", &self.object).field("patience", &self.patience).finish()
    }
}
