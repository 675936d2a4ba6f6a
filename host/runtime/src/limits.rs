//! Limits of a run, and the meter that records which one ended it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::{ResourceLimiter, Result};

/// A limit that ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Limit {
    /// Linear memory, tables and kept exceptions.
    Memory = 1,
    /// Wall time.
    Time,
    /// CPU time.
    Cpu,
    /// Open handles (files, directories, streams, pollables) at one time.
    Handles,
    /// Bytes written to the session, copy-up included.
    Disk,
    /// Files created in the session.
    Files,
    /// Bytes on stdout and stderr, and of what is returned.
    Output,
}

impl Limit {
    const ALL: [Limit; 7] =
        [Self::Memory, Self::Time, Self::Cpu, Self::Handles, Self::Disk, Self::Files, Self::Output];

    /// The stable code of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Memory => "LIMIT_MEMORY",
            Self::Time => "LIMIT_TIME",
            Self::Cpu => "LIMIT_CPU",
            Self::Handles => "LIMIT_HANDLES",
            Self::Disk => "LIMIT_DISK",
            Self::Files => "LIMIT_FILES",
            Self::Output => "LIMIT_OUTPUT",
        }
    }

    /// What was reached, for a message.
    pub fn what(self) -> &'static str {
        match self {
            Self::Memory => "memory limit",
            Self::Time => "time limit",
            Self::Cpu => "CPU limit",
            Self::Handles => "limit of open handles",
            Self::Disk => "limit of bytes written",
            Self::Files => "limit of created files",
            Self::Output => "limit of output bytes",
        }
    }
}

/// The limits of one run; the largest value of a type is no limit. Bytes written and files created are limits of the view
/// ([`brio_session::Limits`]); a run that meets one of those ends just the same.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct RunLimits {
    /// Bytes of all linear memories, tables and kept exceptions together.
    pub memory: u64,
    /// Wall time.
    pub wall: Duration,
    /// CPU time of the guest's thread, host calls included.
    pub cpu: Duration,
    /// Handles open at one time.
    pub handles: usize,
    /// Bytes on stdout and stderr and in what is returned, together.
    pub output: u64,
}

impl Default for RunLimits {
    /// 1 GiB, 10 minutes, 5 CPU minutes, 4096 handles, 64 MiB.
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            wall: Duration::from_secs(600),
            cpu: Duration::from_secs(300),
            handles: 4096,
            output: 64 << 20,
        }
    }
}

/// The error that unwinds a guest which met a limit.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{} reached", .0.what())]
pub(crate) struct LimitHit(pub(crate) Limit);

/// The first limit that was met. Shared, because the streams that count output and the
/// limiter that counts memory live in different places; and recorded, because a guest that
/// is out of memory shows as `unreachable`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cause(Arc<CauseInner>);

#[derive(Debug, Default)]
struct CauseInner {
    limit: AtomicU8,
    output: AtomicU64,
}

impl Cause {
    /// Records `limit` unless another was there before; returns the error to unwind with.
    pub(crate) fn hit(&self, limit: Limit) -> LimitHit {
        // Relaxed: one thread runs the guest, and the report is made after it ended.
        let _ = self.0.limit.compare_exchange(0, limit as u8, Ordering::Relaxed, Ordering::Relaxed);
        LimitHit(limit)
    }

    pub(crate) fn get(&self) -> Option<Limit> {
        let n = self.0.limit.load(Ordering::Relaxed);
        Limit::ALL.into_iter().find(|l| *l as u8 == n)
    }

    /// Counts output; the number of bytes that still fit.
    pub(crate) fn take_output(&self, bytes: u64, max: u64) -> u64 {
        let before = self.0.output.fetch_add(bytes, Ordering::Relaxed);
        max.saturating_sub(before).min(bytes)
    }

    pub(crate) fn output(&self) -> u64 {
        self.0.output.load(Ordering::Relaxed)
    }
}

/// Counts memory for wasmtime and refuses what goes over.
#[derive(Debug)]
pub(crate) struct Meter {
    max: u64,
    used: u64,
    gauge: MemoryGauge,
    cause: Cause,
}

/// Shows others the most memory that a run has used so far, in bytes. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct MemoryGauge(Arc<AtomicU64>);

impl MemoryGauge {
    /// The peak of all linear memories and tables together.
    pub fn peak(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Somebody has seen this much.
    pub(crate) fn raise(&self, bytes: u64) {
        self.0.fetch_max(bytes, Ordering::Relaxed);
    }
}

impl Meter {
    pub(crate) fn new(max: u64, gauge: MemoryGauge, cause: Cause) -> Self {
        Self { max, used: 0, gauge, cause }
    }

    pub(crate) fn peak(&self) -> u64 {
        self.gauge.peak()
    }

    fn grow(&mut self, current: u64, desired: u64) -> Result<bool> {
        let after = self.used.saturating_sub(current).saturating_add(desired);
        if after > self.max {
            return Err(self.cause.hit(Limit::Memory).into());
        }
        self.used = after;
        self.gauge.raise(after);
        Ok(true)
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        max: Option<usize>,
    ) -> Result<bool> {
        // What the module's own maximum forbids is no limit of ours.
        if max.is_some_and(|m| desired > m) {
            return Ok(false);
        }
        self.grow(current as u64, desired as u64)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        max: Option<usize>,
    ) -> Result<bool> {
        if max.is_some_and(|m| desired > m) {
            return Ok(false);
        }
        const ENTRY: u64 = size_of::<usize>() as u64;
        self.grow(current as u64 * ENTRY, (desired as u64).saturating_mul(ENTRY))
    }
}
