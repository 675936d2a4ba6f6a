//! What the kernel knows, by inode number.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use brio_session::{FsError, FsResult, Lent, NodeHandle};

/// FUSE's own number for the root.
pub(crate) const ROOT: u64 = 1;

/// Numbers for what has none of its own, which no view gives: it sets the highest bit of what a
/// layer made, and file systems do not get this far.
const OWN: u64 = 1 << 62;

#[derive(Default)]
pub(crate) struct Table(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_ino: HashMap<u64, Entry>,
    by_node: HashMap<NodeHandle, u64>,
    /// The mount's own numbers, by the number that the view gives to all of them.
    shared: HashMap<u64, Vec<u64>>,
    given: u64,
    /// Of the last operation.
    epoch: u64,
    /// All that is known is of this epoch, or lost.
    settled: Option<u64>,
}

struct Entry {
    node: NodeHandle,
    /// The view's own number.
    view_ino: u64,
    epoch: u64,
    /// How often the kernel was told of it; it says how many of these it forgets.
    lookups: u64,
    /// It was not there when the epoch moved.
    lost: bool,
}

impl Entry {
    fn new(node: NodeHandle, view_ino: u64, epoch: u64, lookups: u64) -> Self {
        Self { node, view_ino, epoch, lookups, lost: false }
    }
}

impl Known {
    /// The number that a node has already. One that was known in an earlier epoch keeps it: two
    /// numbers for one file are two files to the kernel, and to whoever compares them.
    fn number_of(&mut self, node: &NodeHandle, ino: u64, lent: &Lent) -> Option<u64> {
        if let Some(n) = self.by_node.get(node) {
            return Some(*n);
        }
        let of_then = |e: &Entry| e.epoch != lent.epoch && !e.lost;
        let shared = self.shared.get(&ino).into_iter().flatten().copied();
        let known = std::iter::once(ino).chain(shared).filter(|n| *n != ROOT);
        let known: Vec<_> = known.filter(|n| self.by_ino.get(n).is_some_and(of_then)).collect();
        known.into_iter().find(|n| self.find_again(*n, lent).is_ok_and(|found| found == *node))
    }

    fn find_again(&mut self, ino: u64, lent: &Lent) -> FsResult<NodeHandle> {
        let e = self.by_ino.get(&ino).ok_or(FsError::Stale)?;
        let (old, view_ino, lookups) = (e.node.clone(), e.view_ino, e.lookups);
        let root = lent.view.root();
        let node = if ino == ROOT {
            root.node()
        } else {
            let path = old.path().map_err(|_| FsError::Stale)?;
            let below = path.strip_prefix(&root.path()?).ok_or(FsError::Stale)?;
            let found = lent.view.unnoted(|| lent.view.node_at(&root, below.as_bytes(), false));
            let (node, _) = found.map_err(|_| FsError::Stale)?;
            if node.kind() != old.kind() {
                return Err(FsError::Stale);
            }
            node
        };
        if self.by_node.get(&old) == Some(&ino) {
            self.by_node.remove(&old);
        }
        self.by_node.entry(node.clone()).or_insert(ino);
        self.by_ino.insert(ino, Entry::new(node.clone(), view_ino, lent.epoch, lookups));
        Ok(node)
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node of a number.
    ///
    /// # Errors
    /// `Stale` for what the kernel should have forgotten, and for what had no path, or another
    /// kind, when the epoch moved.
    pub(crate) fn get(&self, ino: u64, lent: &Lent) -> FsResult<NodeHandle> {
        let mut known = self.lock();
        match known.by_ino.get(&ino) {
            Some(e) if e.lost => Err(FsError::Stale),
            Some(e) if e.epoch == lent.epoch => Ok(e.node.clone()),
            Some(_) => known.find_again(ino, lent),
            None if ino == ROOT => {
                let node = lent.view.root().node();
                known.by_node.insert(node.clone(), ROOT);
                known.by_ino.insert(ROOT, Entry::new(node.clone(), ROOT, lent.epoch, 0));
                Ok(node)
            }
            None => Err(FsError::Stale),
        }
    }

    /// Finds again all that is of an earlier epoch, before names move in this one: after that,
    /// a path of then would lead to something else. What is not there is lost. False: it was
    /// done before.
    pub(crate) fn settle(&self, lent: &Lent) -> bool {
        let mut known = self.lock();
        if known.settled == Some(lent.epoch) {
            return false;
        }
        let old = known.by_ino.iter().filter(|(_, e)| e.epoch != lent.epoch && !e.lost);
        for ino in old.map(|(ino, _)| *ino).collect::<Vec<_>>() {
            let found = known.find_again(ino, lent);
            if let (Err(_), Some(e)) = (found, known.by_ino.get_mut(&ino)) {
                e.lost = true;
            }
        }
        known.settled = Some(lent.epoch);
        true
    }

    /// The number of a node that the kernel is about to be told of; `ino` is the view's.
    pub(crate) fn tell(&self, node: &NodeHandle, ino: u64, lent: &Lent) -> u64 {
        let mut known = self.lock();
        if let Some(n) = known.number_of(node, ino, lent) {
            if let Some(e) = known.by_ino.get_mut(&n) {
                e.lookups += 1;
            }
            return n;
        }
        let mut n = ino;
        while n <= ROOT || known.by_ino.contains_key(&n) {
            known.given += 1;
            n = OWN + known.given;
        }
        if n != ino {
            known.shared.entry(ino).or_default().push(n);
        }
        known.by_node.insert(node.clone(), n);
        known.by_ino.insert(n, Entry::new(node.clone(), ino, lent.epoch, 1));
        n
    }

    /// The number that the kernel knows a node by, or would be told now.
    pub(crate) fn number(&self, node: &NodeHandle, ino: u64) -> u64 {
        self.lock().by_node.get(node).copied().unwrap_or(ino)
    }

    /// The kernel forgot this many look-ups.
    pub(crate) fn forget(&self, ino: u64, lookups: u64) {
        let gone = {
            let mut known = self.lock();
            let Some(e) = known.by_ino.get_mut(&ino) else { return };
            e.lookups = e.lookups.saturating_sub(lookups);
            if e.lookups > 0 || ino == ROOT {
                return;
            }
            let gone = known.by_ino.remove(&ino);
            if let Some(e) = &gone
                && known.by_node.get(&e.node) == Some(&ino)
            {
                known.by_node.remove(&e.node);
            }
            if let Some(numbers) = gone.as_ref().and_then(|e| known.shared.get_mut(&e.view_ino)) {
                numbers.retain(|n| *n != ino);
            }
            gone
        };
        drop(gone);
    }

    /// Whether the epoch is another than at the last call.
    pub(crate) fn moved(&self, epoch: u64) -> bool {
        std::mem::replace(&mut self.lock().epoch, epoch) != epoch
    }

    /// Every number that the kernel knows.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.lock().by_ino.keys().copied().collect()
    }
}
