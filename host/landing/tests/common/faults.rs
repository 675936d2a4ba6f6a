//! A door that says a verdict at the N-th operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use brio_session::{Door, Hook, Op, Verdict};

/// Says a verdict at the N-th operation, and counts.
pub struct At {
    n: AtomicUsize,
    verdict: Verdict,
    seen: AtomicUsize,
}

impl Hook for At {
    fn verdict(&self, _op: Op) -> Verdict {
        let here = self.seen.fetch_add(1, Ordering::SeqCst) == self.n.load(Ordering::SeqCst);
        if here { self.verdict } else { Verdict::Go }
    }
}

impl At {
    /// A door that lets everything pass until it is [`armed`](Self::arm).
    pub fn door(verdict: Verdict) -> (Arc<Self>, Door) {
        let at = Arc::new(Self { n: usize::MAX.into(), verdict, seen: 0.into() });
        (at.clone(), Door::with_hook(at))
    }

    /// From now on, the `n`-th operation.
    pub fn arm(&self, n: usize) {
        self.n.store(self.seen() + n, Ordering::SeqCst);
    }

    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

/// What may happen at an operation.
pub const VERDICTS: [Verdict; 5] = [
    Verdict::Stop,
    Verdict::StopAfter,
    Verdict::Fail(libc::EIO),
    Verdict::Fail(libc::ENOSPC),
    Verdict::FailAfter(libc::EIO),
];
