//! How long requests took, in bounded space.

use std::time::Duration;

/// Each power of two is divided into so many parts of one width: a value is known to an eighth of its power of two, and what
/// stands for a part is its middle. So it is off by a sixteenth at the most, 6.25 %.
const PARTS: usize = 8;

/// Longer times are as this: 2^32 µs, 71 minutes.
const MOST: u64 = (1 << 32) - 1;

/// Below 8 µs each has a bucket of its own; from 2^3 to 2^32 there are 29 powers.
const BUCKETS: usize = PARTS + 29 * PARTS;

/// Counts of times, by their logarithm.
#[derive(Clone)]
pub(super) struct Histogram {
    counts: [u32; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS] }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, micros: u64) {
        let count = &mut self.counts[bucket(micros)];
        *count = count.saturating_add(1);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
    }

    /// The time that `part` in `of` took no longer than; None: there is none at all.
    pub(super) fn quantile(&self, part: u64, of: u64) -> Option<Duration> {
        let total: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let rank = (total * part).div_ceil(of).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        found.map(|bucket| Duration::from_micros(middle(bucket)))
    }
}

fn bucket(micros: u64) -> usize {
    let micros = micros.min(MOST);
    if micros < PARTS as u64 {
        return micros as usize;
    }
    // From 3 on: the value's highest bit; the three below it are the part.
    let power = micros.ilog2() as usize;
    let part = (micros >> (power - 3)) as usize - PARTS;
    (power - 3) * PARTS + part + PARTS
}

fn middle(bucket: usize) -> u64 {
    if bucket < PARTS {
        return bucket as u64;
    }
    let (power, part) = (bucket / PARTS - 1, bucket % PARTS);
    let width = 1_u64 << power;
    (PARTS + part) as u64 * width + width / 2
}

/// Bounds of the buckets of all times, in microseconds: those that Prometheus' own libraries have, and two below.
pub const BOUNDS: [u64; 13] =
    [1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];

/// All times since the beginning.
#[derive(Default)]
pub(super) struct Cumulative {
    /// In each bucket alone.
    counts: [u64; BOUNDS.len()],
    total_micros: u64,
}

impl Cumulative {
    pub(super) fn add(&mut self, micros: u64) {
        if let Some(bucket) = BOUNDS.iter().position(|bound| micros <= *bound) {
            self.counts[bucket] += 1;
        }
        self.total_micros = self.total_micros.saturating_add(micros);
    }

    /// How many took no longer than each bound.
    pub(super) fn within(&self) -> [u64; BOUNDS.len()] {
        let mut sum = 0;
        self.counts.map(|count| {
            sum += count;
            sum
        })
    }

    pub(super) fn total_micros(&self) -> u64 {
        self.total_micros
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_bucket_whose_middle_is_near() {
        let values = (0..63).flat_map(|power| [0, 1, 3, 5].map(|part| (1_u64 << power) + part * ((1 << power) / 7)));
        let mut last = 0;
        for value in values.chain([MOST, u64::MAX]) {
            let bucket = bucket(value);
            assert!(bucket < BUCKETS && bucket >= last, "{value}");
            last = bucket;
            let value = value.min(MOST);
            assert!(middle(bucket).abs_diff(value) * 16 <= value, "{value} is taken for {}", middle(bucket));
        }
    }

    #[test]
    fn quantiles_are_those_of_sorted_times_within_the_error() {
        let mut rng = 7_u64;
        let mut times: Vec<u64> = (0..5000)
            .map(|_| {
                rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (rng >> 40) % (1 << (rng >> 33 & 15) << 4)
            })
            .collect();
        let mut histogram = Histogram::default();
        times.iter().for_each(|time| histogram.add(*time));
        times.sort_unstable();
        for (part, of) in [(1, 2), (9, 10), (99, 100), (1, 1)] {
            let exact = times[(times.len() * part).div_ceil(of) - 1];
            let found = histogram.quantile(part as u64, of as u64).unwrap().as_micros() as u64;
            assert!(found.abs_diff(exact) * 16 <= exact, "{part} in {of}: {found} for {exact}");
        }
        assert_eq!(Histogram::default().quantile(1, 2), None);
    }

    #[test]
    fn each_bound_counts_all_that_is_not_longer() {
        let mut all = Cumulative::default();
        [1000, 1001, 10_000_000, 10_000_001].into_iter().for_each(|micros| all.add(micros));
        let within = all.within();
        assert_eq!((within[0], within[1], within[12]), (1, 2, 3));
        assert_eq!(all.total_micros(), 20_002_002);
    }
}
