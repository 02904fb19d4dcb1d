//! One number.

use super::Number;
use super::number::{Raw, name};
use crate::abi::sandhog::job::objects as host;
use crate::error::{Error, Result};
use crate::sync::{Guard, Held, Locked};
use crate::{Patience, nanoseconds};
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

/// One number. Each call is atomic; what takes several calls takes its [`lock`](Self::lock), which no call takes by itself.
///
/// ```standalone_crate
/// use sandhog::shared::Value;
///
/// # fn main() -> sandhog::Result<()> {
/// let balance = Value::<i64>::open("balance")?;
/// let _guard = balance.lock()?;
/// balance.set(balance.get()? + 100)?;
/// # Ok(())
/// # }
/// ```
pub struct Value<T> {
    pub(crate) object: Rc<host::Value>,
    patience: Patience,
    number: PhantomData<T>,
}

impl<T: Number> Value<T> {
    /// The one that was granted under this name. [`Error::Invalid`]: it is of another type.
    pub fn open(name: &str) -> Result<Self> {
        Self::of(host::open_value(name)?)
    }

    /// A new one without a name. It begins with this number.
    pub fn new(number: T) -> Result<Self> {
        let value = Self::of(host::create_value(T::ELEMENT)?)?;
        value.set(number)?;
        Ok(value)
    }

    fn of(object: host::Value) -> Result<Self> {
        expect::<T>(object.element())?;
        Ok(Self { object: Rc::new(object), patience: None, number: PhantomData })
    }

    /// The same value, whose lock is not waited for longer than this.
    pub fn within(&self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self.clone() }
    }

    /// The number. Needs the right to read.
    #[inline]
    pub fn get(&self) -> Result<T> {
        Ok(T::from_raw(match T::ZERO {
            Raw::Integer(_) => Raw::Integer(self.object.get_integer()?),
            Raw::Float(_) => Raw::Float(self.object.get_float()?),
        }))
    }

    /// Another number. Needs the right to write, as all that follow.
    #[inline]
    pub fn set(&self, number: T) -> Result<()> {
        match number.to_raw() {
            Raw::Integer(number) => Ok(self.object.set_integer(number)?),
            Raw::Float(number) => Ok(self.object.set_float(number)?),
        }
    }

    /// Adds to it: the number before. Integers wrap around.
    #[inline]
    pub fn add(&self, amount: T) -> Result<T> {
        Ok(T::from_raw(match amount.to_raw() {
            Raw::Integer(amount) => Raw::Integer(self.object.add_integer(amount)?),
            Raw::Float(amount) => Raw::Float(self.object.add_float(amount)?),
        }))
    }

    /// Another number: the number before.
    pub fn swap(&self, number: T) -> Result<T> {
        Ok(T::from_raw(match number.to_raw() {
            Raw::Integer(number) => Raw::Integer(self.object.swap_integer(number)?),
            Raw::Float(number) => Raw::Float(self.object.swap_float(number)?),
        }))
    }

    /// Another number where it is `expected`, floats by their bits: the number before. It was set where that is `expected`.
    ///
    /// ```standalone_crate
    /// # use sandhog::shared::Value;
    /// # fn main() -> sandhog::Result<()> {
    /// let owner = Value::new(0_u32)?;
    /// assert_eq!(owner.compare_exchange(0, 7)?, 0);
    /// assert_eq!(owner.compare_exchange(0, 8)?, 7);
    /// assert_eq!(owner.get()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn compare_exchange(&self, expected: T, number: T) -> Result<T> {
        Ok(T::from_raw(match (expected.to_raw(), number.to_raw()) {
            (Raw::Float(expected), Raw::Float(number)) => {
                Raw::Float(self.object.compare_exchange_float(expected, number)?)
            }
            (Raw::Integer(expected), Raw::Integer(number)) => {
                Raw::Integer(self.object.compare_exchange_integer(expected, number)?)
            }
            (Raw::Integer(_), Raw::Float(_)) | (Raw::Float(_), Raw::Integer(_)) => unreachable!("of one type"),
        }))
    }

    /// What this makes of it, without a lock: tries again where somebody was faster. The number that was set. Needs the right
    /// to read as well.
    ///
    /// ```standalone_crate
    /// # use sandhog::shared::Value;
    /// # fn main() -> sandhog::Result<()> {
    /// let highest = Value::new(17.5_f64)?;
    /// assert_eq!(highest.update(|seen| seen.max(21.0))?, 21.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(&self, mut make: impl FnMut(T) -> T) -> Result<T> {
        let mut seen = self.get()?;
        loop {
            let number = make(seen);
            let before = self.compare_exchange(seen, number)?;
            if before.same_bits(seen) {
                return Ok(number);
            }
            seen = before;
        }
    }

    /// Its own lock, which the same job may lock again: see [`RLock`](crate::sync::RLock). Needs one of its rights.
    #[inline]
    pub fn lock(&self) -> Locked<Guard> {
        Held::Value(Rc::clone(&self.object)).lock(nanoseconds(self.patience))
    }
}

/// Whether an object is made of what is asked for.
pub(super) fn expect<T: Number>(found: host::Element) -> Result<()> {
    if found == T::ELEMENT {
        return Ok(());
    }
    Err(Error::Invalid(format!("it is made of {}, not of {}", name(found), name(T::ELEMENT))))
}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Self {
        Self { object: Rc::clone(&self.object), patience: self.patience, number: PhantomData }
    }
}

impl<T> fmt::Debug for Value<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Value").field("object", &self.object).field("patience", &self.patience).finish()
    }
}
