//! Ending a run from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Ends a run: a tight loop within an epoch tick (10 ms), a guest that waits at once.
/// Clones share one state; a stopped token stays stopped.
///
/// ```
/// let stop = brio_runtime::StopToken::default();
/// let handle = stop.clone();
/// handle.stop();
/// assert!(stop.is_stopped());
/// ```
#[derive(Debug, Clone, Default)]
pub struct StopToken(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stopped: AtomicBool,
    notify: Notify,
}

impl StopToken {
    /// Asks the run to end. Idempotent; may be called from any thread.
    pub fn stop(&self) {
        // Release: what the caller did before is seen by the run that observes the stop.
        self.0.stopped.store(true, Ordering::Release);
        self.0.notify.notify_waiters();
    }

    /// Whether somebody asked.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// Waits until somebody asks.
    pub(crate) async fn stopped(&self) {
        let notified = self.0.notify.notified();
        tokio::pin!(notified);
        // Registered before the flag is read, so that no stop falls between the two.
        notified.as_mut().enable();
        if !self.is_stopped() {
            notified.await;
        }
    }
}
