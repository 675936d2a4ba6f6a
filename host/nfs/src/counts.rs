//! What a server did.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::nfs::NAMES;

/// Counted since the server began.
#[derive(Debug, Default)]
pub struct Counts {
    calls: [Calls; NAMES.len()],
    read: AtomicU64,
    written: AtomicU64,
    connections: AtomicU64,
    open: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Calls {
    all: AtomicU64,
    failed: AtomicU64,
}

/// One procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Procedure {
    /// Its name, in lower case: `getattr`.
    pub name: &'static str,
    /// Calls that were answered.
    pub calls: u64,
    /// Those of them that were answered with an error.
    pub failed: u64,
}

impl Counts {
    /// The procedures of NFS, in the order of their numbers.
    pub fn procedures(&self) -> impl Iterator<Item = Procedure> {
        NAMES.iter().zip(&self.calls).map(|(name, calls)| Procedure {
            name,
            calls: get(&calls.all),
            failed: get(&calls.failed),
        })
    }

    /// Bytes that were read and written.
    pub fn bytes(&self) -> (u64, u64) {
        (get(&self.read), get(&self.written))
    }

    /// Connections: those that there were, those that are open now, and clients that were turned away.
    pub fn connections(&self) -> (u64, u64, u64) {
        (get(&self.connections), get(&self.open), get(&self.refused))
    }

    pub(crate) fn called(&self, procedure: u32, failed: bool) {
        if let Some(calls) = self.calls.get(procedure as usize) {
            add(&calls.all, 1);
            add(&calls.failed, failed.into());
        }
    }

    pub(crate) fn read(&self, bytes: u64) {
        add(&self.read, bytes);
    }

    pub(crate) fn written(&self, bytes: u64) {
        add(&self.written, bytes);
    }

    pub(crate) fn refused(&self) {
        add(&self.refused, 1);
    }

    pub(crate) fn connected(&self) {
        add(&self.connections, 1);
        add(&self.open, 1);
    }

    pub(crate) fn disconnected(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn get(n: &AtomicU64) -> u64 {
    n.load(Ordering::Relaxed)
}

fn add(n: &AtomicU64, more: u64) {
    n.fetch_add(more, Ordering::Relaxed);
}
