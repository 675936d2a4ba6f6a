//! Calls that go on, so that a server's end is theirs.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use brio_host::StopToken;

/// How long a server that ends waits for them.
const PATIENCE: Duration = Duration::from_secs(20);

/// The calls of a server that go on.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<Live>);

#[derive(Debug, Default)]
struct Live {
    /// No other begins.
    ended: bool,
    next: u64,
    stops: HashMap<u64, StopToken>,
}

/// A call that goes on, until this is dropped.
#[derive(Debug)]
pub(crate) struct GoingOn<'a> {
    calls: &'a Calls,
    key: u64,
}

impl Calls {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a call end with the server; `None`: that ends already.
    pub(crate) fn begins(&self, stop: &StopToken) -> Option<GoingOn<'_>> {
        let mut live = self.live();
        if live.ended {
            return None;
        }
        live.next += 1;
        let key = live.next;
        live.stops.insert(key, stop.clone());
        Some(GoingOn { calls: self, key })
    }

    /// Ends every call that goes on, and begins no other.
    pub(crate) fn end(&self) {
        let mut live = self.live();
        live.ended = true;
        live.stops.values().for_each(StopToken::stop);
    }

    /// Waits until no call goes on, but not for ever: one may wait for a store far away, and what
    /// the end of the process cuts short is recovered.
    pub(crate) fn wait(&self, what: &str) {
        let begun = Instant::now();
        loop {
            let calls = self.live().stops.len();
            if calls == 0 {
                return;
            }
            if begun.elapsed() >= PATIENCE {
                tracing::warn!(calls, "{what} ends while calls go on");
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for GoingOn<'_> {
    fn drop(&mut self) {
        self.calls.live().stops.remove(&self.key);
    }
}
