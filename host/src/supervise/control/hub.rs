//! Who is to be told what happens: a bounded backlog for each.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Update;

/// So many bytes are kept for a subscriber. What would be more is counted and dropped.
const KEPT: usize = 1 << 20;

/// What is not sent yet to one subscriber.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    missed: u64,
}

impl Backlog {
    /// Once something is dropped, all is until what was kept is taken: so a gap is told where it
    /// is.
    pub(super) fn push(&mut self, line: &Arc<str>) {
        if self.missed > 0 || self.bytes + line.len() > KEPT {
            self.missed += 1;
        } else {
            self.bytes += line.len();
            self.lines.push_back(line.clone());
        }
    }

    pub(super) fn pop(&mut self) -> Option<Arc<str>> {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.len();
            return Some(line);
        }
        let count = std::mem::take(&mut self.missed);
        if count == 0 {
            return None;
        }
        Update::Missed { count }.line().map(Arc::from)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.missed == 0
    }
}

/// A subscriber's backlog, which its events are put into until this is dropped.
pub(super) type Shared = Arc<Mutex<Backlog>>;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes events from the threads on which they happen, which wait for nobody.
#[derive(Debug)]
pub(super) struct Hub {
    all: Mutex<Vec<Weak<Mutex<Backlog>>>>,
    ring: UnixStream,
    bell: UnixStream,
}

impl Hub {
    pub(super) fn new() -> io::Result<Self> {
        let (ring, bell) = UnixStream::pair()?;
        ring.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        Ok(Self { all: Mutex::default(), ring, bell })
    }

    /// Tells all subscribers.
    pub(super) fn tell(&self, update: &Update) {
        let mut all = lock(&self.all);
        all.retain(|one| one.strong_count() > 0);
        if all.is_empty() {
            return;
        }
        let Some(line) = update.line().map(Arc::<str>::from) else { return };
        for backlog in all.iter().filter_map(Weak::upgrade) {
            lock(&backlog).push(&line);
        }
        drop(all);
        // A bell that is full of rings has not been heard yet.
        let _ = (&self.ring).write(&[1]);
    }

    /// A backlog of what happens from now on.
    pub(super) fn subscribe(&self) -> Shared {
        let backlog = Shared::default();
        lock(&self.all).push(Arc::downgrade(&backlog));
        backlog
    }

    /// Can be read when there is something to send.
    pub(super) fn bell(&self) -> &UnixStream {
        &self.bell
    }

    pub(super) fn heard(&self) {
        let mut rings = [0; 64];
        while matches!((&self.bell).read(&mut rings), Ok(n) if n > 0) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_told_where_it_is_and_nothing_is_kept_without_end() {
        let mut backlog = Backlog::default();
        let line = |n: usize| Arc::<str>::from(format!("{n:>1000}"));
        (0..2000).for_each(|n| backlog.push(&line(n)));
        let kept = KEPT / 1000;
        for n in 0..kept {
            assert_eq!(backlog.pop(), Some(line(n)));
            // Room alone does not close the gap.
            backlog.push(&line(n));
        }
        let missed = format!("{{\"event\":\"missed\",\"count\":{}}}\n", 2000 - kept + kept);
        assert_eq!(backlog.pop().as_deref(), Some(missed.as_str()));
        assert!(backlog.is_empty() && backlog.pop().is_none());
        backlog.push(&line(7));
        assert_eq!(backlog.pop(), Some(line(7)));
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let hub = Hub::new().expect("a pair");
        let (one, other) = (hub.subscribe(), hub.subscribe());
        drop(other);
        hub.tell(&Update::Missed { count: 1 });
        assert_eq!(lock(&hub.all).len(), 1);
        assert!(!lock(&one).is_empty());
        // However often it rings, nobody waits for who does not hear.
        (0..100_000).for_each(|_| hub.tell(&Update::Missed { count: 1 }));
        hub.heard();
    }
}
