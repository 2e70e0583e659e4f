//! Times, and what stands for many of them.

use std::time::Duration;

pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn new(mut samples: Vec<Duration>) -> Self {
        samples.sort();
        Self(samples)
    }

    pub(crate) fn median_ms(&self) -> f64 {
        self.percentile_ms(50)
    }

    /// Of an empty set 0.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * percent / 100).map_or(0.0, |it| it.as_secs_f64() * 1e3)
    }
}
