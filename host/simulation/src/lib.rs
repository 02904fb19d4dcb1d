//! For simulations, which are tests: worlds of chance out of a seed, and of a world that fails a smaller one that fails the
//! same way.
//!
//! A world takes every choice from its [`Rng`], which writes it down on a tape. So a world is its tape: a shorter tape, or one
//! with smaller numbers, is another world, and [`explore()`] looks for the smallest that still breaks the same rule.
//!
//! - `SANDHOG_SEED=N` runs the world of that number alone, and tells it event by event.
//! - `SANDHOG_CHOICES=…` runs the world of that tape alone: the smaller one that a failure has printed.
//! - `SANDHOG_WORLDS=N` tries so many worlds, and `SANDHOG_STEPS=N` so many events, in each test.
//!
//! Must not: be part of an executable, or know what is simulated.

mod explore;
mod failure;
mod rng;
mod shrink;
mod tape;

pub use explore::{Explored, explore};
pub use failure::fail;
pub use rng::{Rng, UpTo};
