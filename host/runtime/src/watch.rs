//! Whether a run may go on: asked at every epoch, and by calls of the host that take long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::judge::Killed;
use crate::limits::Cause;
use crate::{Limit, RunLimits, RunSpec, StopToken, clock};

/// The stop token and the clocks of one run. Used on the thread that runs it.
#[derive(Clone)]
pub(crate) struct Watch {
    stop: StopToken,
    cause: Cause,
    limits: RunLimits,
    started: Instant,
    cpu: Duration,
    /// Where there is no clock for it, CPU time is counted in epochs.
    ticks: Arc<AtomicU64>,
}

impl Watch {
    /// The clocks begin to run.
    pub(crate) fn new(spec: &RunSpec, cause: &Cause) -> Self {
        Self {
            stop: spec.stop.clone(),
            cause: cause.clone(),
            limits: spec.limits,
            started: Instant::now(),
            cpu: clock::cpu(0),
            ticks: Arc::default(),
        }
    }

    /// An epoch has passed.
    pub(crate) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// The error to unwind with, when the run was stopped or its time is over.
    pub(crate) fn check(&self) -> wasmtime::Result<()> {
        if self.stop.is_stopped() {
            return Err(Killed.into());
        }
        // In 0.3 a guest is only told that its stream has ended.
        if self.cause.get() == Some(Limit::Output) {
            return Err(self.cause.hit(Limit::Output).into());
        }
        if self.wall() >= self.limits.wall {
            return Err(self.cause.hit(Limit::Time).into());
        }
        if self.cpu() >= self.limits.cpu {
            return Err(self.cause.hit(Limit::Cpu).into());
        }
        Ok(())
    }

    pub(crate) fn cause(&self) -> &Cause {
        &self.cause
    }

    pub(crate) fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn cpu(&self) -> Duration {
        clock::cpu(self.ticks.load(Ordering::Relaxed)).saturating_sub(self.cpu)
    }
}
