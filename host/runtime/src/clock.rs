//! Time that a run has used.

use std::time::Duration;

/// CPU time of the calling thread. Elsewhere than on Unix it is counted in epochs.
#[cfg(unix)]
pub(crate) fn cpu(_ticks: u64) -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.try_into().unwrap_or(0), t.tv_nsec.try_into().unwrap_or(0))
}

/// CPU time of the calling thread. Elsewhere than on Unix it is counted in epochs.
#[cfg(not(unix))]
pub(crate) fn cpu(ticks: u64) -> Duration {
    crate::ticker::TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}
