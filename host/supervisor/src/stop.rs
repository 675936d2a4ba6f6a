//! A wish that something ends.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Why something is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Somebody cancelled it: that is its end.
    Cancelled,
    /// The supervisor stops: it is made again later.
    Shutdown,
}

type Call = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Inner {
    why: Option<Why>,
    calls: Vec<Call>,
}

/// A wish that something ends, shared by who has it and who is to end. The first one counts.
#[derive(Clone, Default)]
pub struct Stop(Arc<Mutex<Inner>>);

impl Stop {
    /// Wishes it.
    pub fn stop(&self, why: Why) {
        let calls = {
            let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.why.is_some() {
                return;
            }
            inner.why = Some(why);
            std::mem::take(&mut inner.calls)
        };
        calls.into_iter().for_each(|call| call());
    }

    /// Whether it was wished, and why.
    pub fn why(&self) -> Option<Why> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).why
    }

    /// Calls `call` when it is wished; now, if it was.
    pub fn when_stopped(&self, call: impl FnOnce() + Send + 'static) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.why.is_some() {
            drop(inner);
            call();
        } else {
            inner.calls.push(Box::new(call));
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.why()).finish()
    }
}
