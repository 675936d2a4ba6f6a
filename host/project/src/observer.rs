//! Who is told of conflicts.

/// The metric that counts conflicts, with the label `resolution`.
pub const CONFLICTS_METRIC: &str = "brio_session_conflicts_total";
/// The same metric under its older name.
pub const CONFLICTS_METRIC_ALIAS: &str = "brain_session_conflicts_total";
/// What the metric's help says.
pub const CONFLICTS_HELP: &str = "Total number of version conflicts detected";

/// How a conflict was settled: the only way is that the last write wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resolution {
    /// The last write wins.
    Lww,
}

impl Resolution {
    /// The value of the metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lww => "lww",
        }
    }
}

/// A record was newer than the writer knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// How it was settled.
    pub resolution: Resolution,
    /// The record's version that was stored.
    pub current_version: u64,
    /// The one that the writer had read.
    pub attempted_version: u64,
}

/// Is told of each conflict, once, after the write that overrode it.
pub trait Observer: Send + Sync {
    /// A conflict was settled.
    fn conflict(&self, conflict: &Conflict);
}

/// Counts nothing.
impl Observer for () {
    fn conflict(&self, _: &Conflict) {}
}

/// Counts conflicts.
impl Observer for std::sync::atomic::AtomicU64 {
    fn conflict(&self, _: &Conflict) {
        self.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}
