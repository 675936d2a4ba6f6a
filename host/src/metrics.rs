//! What this process has done since Brio was opened in it, in figures.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brio_project::{Conflict, Observer};

use crate::Brio;

/// How often each of a few words was the case.
pub type Counts = BTreeMap<&'static str, u64>;

/// What this process has done since Brio was opened in it. Other processes on the same home
/// count for themselves.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// Runs of agents and commands that are over, by how they ended: `succeeded`, `failed`,
    /// `trapped`, `limited`, `killed`, `rejected`, and `refused` for what could not be run.
    pub runs: Counts,
    /// How long runs took.
    pub run_time: Histogram,
    /// Bytes that runs wrote into their sessions.
    pub bytes_written: u64,
    /// Limits that ended a run, or refused it something: `memory`, `time`, `cpu`, `handles`,
    /// `disk`, `files`, `output`; `sessions` and `free-space`, for want of which none was begun.
    pub limits: Counts,
    /// Landings by what they landed in: `base`, or the `session` that is a child's parent.
    pub landings: Counts,
    /// How long landings in a base took, from the commit's beginning until it was durable.
    pub landing_time: Histogram,
    /// Bytes of the files that landings in a base brought.
    pub bytes_landed: u64,
    /// Commits that were conflicts.
    pub conflicts: u64,
    /// Commits that did not land for another reason, by the code of that.
    pub refusals: Counts,
    /// Jobs that ended, by [the kind](crate::tasks::Kind) of their end.
    pub jobs: Counts,
    /// Attempts of jobs that are followed by another.
    pub retries: u64,
    /// Updates of a project's record that overrode one which the writer had not seen.
    pub record_conflicts: u64,
}

/// How many of a kind took how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// How many took at most [`BOUNDS`](Self::BOUNDS) seconds each, and more than the bound
    /// before; the last is of what took longer than all.
    pub counts: [u64; Self::BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Histogram {
    /// In seconds.
    pub const BOUNDS: [f64; 17] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        300.0, 1800.0,
    ];

    pub(crate) fn count(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = Self::BOUNDS.iter().position(|bound| seconds <= *bound);
        self.counts[at.unwrap_or(Self::BOUNDS.len())] += 1;
        self.sum = self.sum.saturating_add(took);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; Self::BOUNDS.len() + 1], sum: Duration::ZERO }
    }
}

/// Where it is counted. A few times in each run: a lock costs nothing there.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Metrics>);

impl Meter {
    pub(crate) fn count(&self, how: impl FnOnce(&mut Metrics)) {
        how(&mut self.lock());
    }

    /// A limit was met.
    pub(crate) fn limit(&self, name: &'static str) {
        self.count(|m| *m.limits.entry(name).or_default() += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Metrics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Meter {
    fn conflict(&self, _: &Conflict) {
        self.count(|m| m.record_conflicts += 1);
    }
}

impl Brio {
    /// What this process has done since this was opened.
    pub fn metrics(&self) -> Metrics {
        self.meter().lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_as_long_as_a_bound_is_within_it() {
        let mut times = Histogram::default();
        for millis in [0, 1, 2, 250, 251, 1_800_000, 1_800_001] {
            times.count(Duration::from_millis(millis));
        }
        let mut expected = [0; Histogram::BOUNDS.len() + 1];
        for (at, n) in [(0, 2), (1, 1), (7, 1), (8, 1), (16, 1), (17, 1)] {
            expected[at] = n;
        }
        assert_eq!((times.counts, times.sum), (expected, Duration::from_millis(3_600_505)));
    }
}
