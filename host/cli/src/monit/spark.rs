//! The last values of something, as a row of small bars.

/// From nothing to all of it.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last `columns` values, each as a part of `max`; spaces where there are none yet.
pub(super) fn spark(values: impl ExactSizeIterator<Item = u64>, columns: usize, max: u64) -> String {
    let surplus = values.len().saturating_sub(columns);
    let missing = columns.saturating_sub(values.len());
    let bars = values.skip(surplus).map(|value| bar(value, max));
    " ".repeat(missing) + &bars.collect::<String>()
}

fn bar(value: u64, max: u64) -> char {
    let top = BARS.len() - 1;
    // Of 128 bits, so that no product is too large.
    let step = (u128::from(value.min(max)) * top as u128).div_ceil(u128::from(max.max(1)));
    BARS[usize::try_from(step).unwrap_or(top).min(top)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_with_the_value() {
        assert_eq!(spark([0, 125, 500, 1000, 2000].into_iter(), 7, 1000), "  ▁▂▅██");
    }

    #[test]
    fn the_last_ones_are_shown() {
        assert_eq!(spark([1000, 1000, 0].into_iter(), 2, 1000), "█▁");
        assert_eq!(spark([0, 0].into_iter(), 2, 0), "▁▁");
        assert_eq!(spark([u64::MAX].into_iter(), 1, u64::MAX), "█");
    }
}
