//! Chance, as a world asks for it.

use crate::tape::Tape;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Chance out of a seed, or as an earlier world had it. A clone goes on where the other one is: both write on one tape.
#[derive(Clone)]
pub struct Rng(Rc<RefCell<Tape>>);

impl Rng {
    /// The chance of this seed: the same each time.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::on(Tape::of_seed(seed))
    }

    pub(crate) fn on(tape: Tape) -> Self {
        Self(Rc::new(RefCell::new(tape)))
    }

    pub(crate) fn tape(&self) -> std::cell::Ref<'_, Tape> {
        self.0.borrow()
    }

    /// Any number: for a seed of something else.
    #[must_use]
    pub fn random(&self) -> u64 {
        self.0.borrow_mut().any()
    }

    /// From 0 to `limit` - 1; a smaller world is one of smaller numbers.
    ///
    /// # Panics
    /// `limit` is 0.
    #[must_use]
    pub fn below(&self, limit: u64) -> u64 {
        self.0.borrow_mut().below(limit)
    }

    /// One time in so many; in a smaller world rather not.
    ///
    /// # Panics
    /// `times` is 0.
    #[must_use]
    pub fn one_in(&self, times: u64) -> bool {
        self.0.borrow_mut().one_in(times)
    }

    /// Up to so many milliseconds.
    #[must_use]
    pub fn millis(&self, max: u64) -> Duration {
        Duration::from_millis(self.below(max + 1))
    }

    /// One of these, whose turn it is; `None`: there is none.
    #[must_use]
    pub fn pick<T>(&self, from: impl IntoIterator<Item = T>) -> Option<T> {
        let mut from: Vec<T> = from.into_iter().collect();
        let count = from.len() as u64;
        (count > 0).then(|| from.swap_remove(self.0.borrow_mut().turn(count) as usize))
    }

    /// So many times, and fewer in a smaller world: what is done with the numbers of one time can be left out as a whole.
    #[must_use]
    pub fn up_to(&self, most: u64) -> UpTo {
        UpTo { rng: self.clone(), left: most }
    }

    /// What happens from here on, to the next mark, may be left out in a smaller world, whose numbers then count for what
    /// comes after it.
    pub fn mark(&self) {
        self.0.borrow_mut().mark();
    }

    /// Whether anybody listens to [`Self::tell`].
    #[must_use]
    pub fn tells(&self) -> bool {
        self.0.borrow().tells()
    }

    /// What happens, for whoever looks at this world alone.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        if self.tells() {
            let line = line();
            self.0.borrow_mut().tell(line);
        }
    }
}

/// See [`Rng::up_to`].
pub struct UpTo {
    rng: Rng,
    left: u64,
}

impl Iterator for UpTo {
    type Item = ();

    fn next(&mut self) -> Option<()> {
        let goes_on = self.rng.0.borrow_mut().step(self.left > 0);
        // A loop that has ended stays so.
        self.left = if goes_on { self.left - 1 } else { 0 };
        goes_on.then_some(())
    }
}
