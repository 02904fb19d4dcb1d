//! Locks and the like among the jobs of a group: what Python's `multiprocessing` has under the same names.
//!
//! An object has a name, which is granted on the outside (`sandhog run --object "accounts: lock"`), or none: then the job that made
//! it passes it on to its children ([`Job::lock`](crate::Job::lock) and the like).
//!
//! **Whoever dies while it holds something stops nobody.** The lock of a job that died is free again, and the next one that
//! locks it is told, by an error that holds the lock: [`LockError::Poisoned`]. Permits come back, a barrier breaks.
//!
//! Whatever waits ends with [`Error::Stopping`](crate::Error::Stopping) when this job is asked to stop. The first wait tells that
//! this job listens for that, as [`process::stopping`](crate::process::stopping) does.
//!
//! ```standalone_crate
//! use sandhog::shared::Value;
//! use sandhog::sync::{Lock, LockError};
//!
//! #[sandhog::main]
//! fn main() -> sandhog::Result<()> {
//!     let (accounts, balance) = (Lock::open("accounts")?, Value::<i64>::open("balance")?);
//!     let guard = match accounts.lock() {
//!         Ok(guard) => guard,
//!         Err(LockError::Poisoned(poisoned)) => {
//!             eprintln!("the holder before {}", poisoned.verdict());
//!             balance.set(0)?; // Whatever it takes to make it whole again.
//!             poisoned.into_guard()
//!         }
//!         Err(LockError::Failed(error)) => return Err(error),
//!     };
//!     balance.set(balance.get()? + 100)?;
//!     drop(guard);
//!     Ok(())
//! }
//! ```

mod barrier;
mod condition;
mod event;
mod guard;
mod lock;
mod semaphore;

pub use barrier::Barrier;
pub use condition::{Condition, ConditionGuard};
pub use event::Event;
pub use guard::{Guard, LockError, Locked, Poisoned};
pub use lock::{Lock, RLock};
pub use semaphore::{BoundedSemaphore, Permit, Semaphore};

pub(crate) use guard::{Held, attempt};
