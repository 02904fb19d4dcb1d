//! Memory among the jobs of a group: one number ([`Value`]), many of one kind ([`Array`]), bytes ([`Memory`]). What Python's
//! `multiprocessing` has under these names, and Node as `SharedArrayBuffer` with `Atomics`.
//!
//! Each call for one number is atomic: an `add` of two jobs at the same time adds twice. What takes several calls takes a lock,
//! and a value and an array have one of their own: [`Value::lock`].
//!
//! ```standalone_crate
//! use sandhog::shared::{Array, Value};
//!
//! # fn main() -> sandhog::Result<()> {
//! let visits = Value::new(0_u64)?;
//! assert_eq!(visits.add(1)?, 0); // The number before.
//! assert_eq!(visits.get()?, 1);
//!
//! let samples = Array::<f32>::new(1000)?;
//! samples.write(10, &[0.5, 1.5, 2.5])?;
//! assert_eq!(samples.read(11, 2)?, [1.5, 2.5]);
//! # Ok(())
//! # }
//! ```

mod array;
mod memory;
mod number;
mod value;

pub use array::Array;
pub use memory::Memory;
pub use number::{Integer, Number};
pub use value::Value;

/// The most that one call of the interface copies. What is more goes in several.
const MOST_BYTES: usize = 64 << 20;
