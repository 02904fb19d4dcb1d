//! Many measurements as a few figures.

use serde_json::{Value, json};

/// Measurements of one thing, in the unit of whoever collects them.
#[derive(Default)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// NaN where nothing was measured.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.quantile(0.99)
    }

    /// The smallest value that at least this part of all values does not exceed.
    fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let index = (part * sorted.len() as f64).ceil() as usize;
        sorted.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// Median, 90th and 99th percentile, with the ratio to another median where there is one.
    pub(crate) fn summary(&self, to: Option<f64>) -> Value {
        let ratio = to.map(|to| self.median() / to).filter(|ratio| ratio.is_finite());
        let (median, p90, p99) = (self.median(), self.quantile(0.9), self.p99());
        json!({"median": median, "p90": p90, "p99": p99, "ratio": ratio, "rounds": self.0.len()})
    }
}
