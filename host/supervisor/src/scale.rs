//! How many workers a job that serves is to have, by what they have to do. Pure.
//!
//! ```text
//!            more than `high` in flight per worker, for `grow_after`
//!        ┌──────────────────────────────────────────────────────────▶ more, up to twice as many
//!  steady
//!        └──────────────────────────────────────────────────────────▶ one less
//!            one less would have at most `low`, for `shrink_after`
//! ```
//!
//! Growing is quick and shrinking is slow: a worker too few costs every client, one too many some memory. Between the marks
//! nothing changes, so that a load that moves a little moves nobody. While workers that were asked for are not there yet, no
//! further ones are: the load of those that are says nothing of how it will be.
//!
//! Must not: know a worker, or why there are fewer of them than were asked for.

use std::time::Duration;

/// When the number changes. What contradicts itself is made to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// At least 1.
    pub min: u32,
    /// At least `min`.
    pub max: u32,
    /// Requests in flight for each worker above which it takes more workers.
    pub high: u32,
    /// As many for each worker that would be left, and one of them is one too many. Below `high`.
    pub low: u32,
    pub grow_after: Duration,
    pub shrink_after: Duration,
}

impl Config {
    /// From `min` to `max`: more above 8 in flight per worker for 2 s, fewer at 4 and below for 30 s. A worker is one thread: with
    /// 8 requests in flight some wait for it, unless they wait for something else.
    #[must_use]
    pub const fn between(min: u32, max: u32) -> Self {
        let (grow_after, shrink_after) = (Duration::from_secs(2), Duration::from_secs(30));
        Self { min, max, high: 8, low: 4, grow_after, shrink_after }
    }

    fn fitted(self) -> Self {
        let min = self.min.max(1);
        let high = self.high.max(1);
        Self { min, max: self.max.max(min), high, low: self.low.min(high - 1), ..self }
    }
}

/// What there is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Requests in flight, and connections that wait.
    pub in_flight: u64,
    /// Workers that take connections.
    pub workers: u32,
}

/// How many there are to be.
#[derive(Debug)]
pub struct State {
    config: Config,
    wanted: u32,
    above: Option<Duration>,
    below: Option<Duration>,
}

impl State {
    /// Begins with `min`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let config = config.fitted();
        Self { wanted: config.min, config, above: None, below: None }
    }

    #[must_use]
    pub fn wanted(&self) -> u32 {
        self.wanted
    }

    /// Somebody wants so many; the bounds hold.
    pub fn set(&mut self, workers: u32) -> u32 {
        self.change(workers);
        self.wanted
    }

    /// Takes a look in; the new number, where it changes. `now`: since a beginning.
    #[must_use]
    pub fn step(&mut self, now: Duration, load: Load) -> Option<u32> {
        let Config { high, low, grow_after, shrink_after, .. } = self.config;
        let wanted = u64::from(self.wanted);
        let is_above = load.in_flight > u64::from(high) * wanted && load.workers >= self.wanted;
        let is_below = self.wanted > self.config.min && load.in_flight <= u64::from(low) * (wanted - 1);
        let has_been = |since: &mut Option<Duration>, holds: bool, long: Duration| {
            *since = if holds { since.or(Some(now)) } else { None };
            since.is_some_and(|since| now.saturating_sub(since) >= long)
        };
        let grows = has_been(&mut self.above, is_above, grow_after);
        let shrinks = has_been(&mut self.below, is_below, shrink_after);
        let before = self.wanted;
        if grows {
            let needed = load.in_flight.div_ceil(u64::from(high)).min(2 * wanted);
            self.change(u32::try_from(needed).unwrap_or(u32::MAX));
        } else if shrinks {
            self.change(self.wanted - 1);
        }
        (self.wanted != before).then_some(self.wanted)
    }

    fn change(&mut self, workers: u32) {
        self.wanted = workers.clamp(self.config.min, self.config.max);
        (self.above, self.below) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_simulation::explore;

    const SECOND: Duration = Duration::from_secs(1);

    /// Looks once a second, for so long, with as many workers as are wanted; what it comes to.
    fn after(state: &mut State, from: u32, seconds: u32, in_flight: u64) -> u32 {
        for second in from..from + seconds {
            let load = Load { in_flight, workers: state.wanted() };
            let _ = state.step(second * SECOND, load);
        }
        state.wanted()
    }

    #[test]
    fn a_load_that_stays_brings_as_many_workers_as_it_takes_and_no_more() {
        let mut state = State::new(Config::between(1, 16));
        assert_eq!(after(&mut state, 0, 2, 60), 1, "a moment is no load");
        assert_eq!(after(&mut state, 2, 1, 60), 2);
        assert_eq!(after(&mut state, 3, 60, 60), 8);
        assert_eq!(after(&mut state, 63, 60, 1_000_000), 16);
    }

    #[test]
    fn without_load_one_after_the_other_goes_down_to_the_fewest() {
        let mut state = State::new(Config::between(2, 16));
        state.set(5);
        assert_eq!(after(&mut state, 0, 30, 0), 5);
        assert_eq!(after(&mut state, 30, 1, 0), 4);
        assert_eq!(after(&mut state, 31, 200, 0), 2);
    }

    #[test]
    fn nobody_is_asked_for_while_others_are_on_their_way() {
        let mut state = State::new(Config::between(1, 16));
        state.set(4);
        let coming = |second| (second * SECOND, Load { in_flight: 1000, workers: 3 });
        for (now, load) in (0..100).map(coming) {
            assert_eq!(state.step(now, load), None);
        }
    }

    #[test]
    fn somebody_who_wants_others_is_held_to_the_bounds() {
        let mut state = State::new(Config { min: 0, max: 0, high: 0, low: 9, ..Config::between(0, 0) });
        assert_eq!((state.set(0), state.set(9)), (1, 1));
        let mut state = State::new(Config::between(2, 4));
        assert_eq!((state.set(1), state.set(3), state.set(9)), (2, 3, 4));
    }

    #[test]
    fn whatever_the_load_the_bounds_hold_and_a_steady_load_comes_to_rest() {
        explore(300 * 1500, |rng| {
            let min = 1 + rng.below(4) as u32;
            let max = min + rng.below(12) as u32;
            let high = 2 + rng.below(20) as u32;
            let config = Config { high, low: rng.below(u64::from(high)) as u32, ..Config::between(min, max) };
            let mut state = State::new(config);
            let mut now = Duration::ZERO;
            for _ in 0..500 {
                now += rng.millis(1500);
                let load = Load { in_flight: rng.below(200), workers: rng.below(u64::from(max) + 2) as u32 };
                let _ = state.step(now, load);
                assert!((min..=max).contains(&state.wanted()));
            }
            let in_flight = rng.below(200);
            let mut changes = 0;
            for _ in 0..1000 {
                now += SECOND;
                changes = if state.step(now, Load { in_flight, workers: state.wanted() }).is_some() {
                    0
                } else {
                    changes + 1
                };
            }
            assert!(changes > 400, "it does not come to rest");
            let enough = in_flight <= u64::from(high) * u64::from(state.wanted());
            assert!(enough || state.wanted() == max);
            1500
        });
    }
}
