//! What files the kernel has open, by file handle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::table::Table;
use brio_session::{FileHandle, FsError, FsResult, Lent, OpenOptions};

/// Files that are open.
#[derive(Default)]
pub(crate) struct OpenFiles {
    next: AtomicU64,
    files: RwLock<HashMap<u64, OpenFile>>,
}

struct OpenFile {
    file: FileHandle,
    /// As it was asked for; a handle of a view that cannot be written does without.
    write: bool,
    ino: u64,
    epoch: u64,
}

impl OpenFiles {
    pub(crate) fn add_file(&self, file: FileHandle, ino: u64, epoch: u64) -> u64 {
        let fh = self.next.fetch_add(1, Ordering::Relaxed);
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        files.insert(fh, OpenFile { write: file.writable(), file, ino, epoch });
        fh
    }

    /// An open file. One of an earlier epoch is opened again, as what its number stands for now.
    ///
    /// # Errors
    /// `BadDescriptor`; `Stale`, and as [`NodeHandle::open`](brio_session::NodeHandle::open).
    pub(crate) fn file(&self, fh: u64, lent: &Lent, nodes: &Table) -> FsResult<FileHandle> {
        let (old, write, ino) = {
            let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
            let open = files.get(&fh).ok_or(FsError::BadDescriptor)?;
            if open.epoch == lent.epoch {
                return Ok(open.file.clone());
            }
            (open.file.clone(), open.write, open.ino)
        };
        let write = write && !lent.view.is_read_only();
        let how = OpenOptions { read: old.readable(), write, ..OpenOptions::default() };
        let file = nodes.get(ino, lent)?.open(&how)?;
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = files.get_mut(&fh) {
            (open.file, open.epoch) = (file.clone(), lent.epoch);
        }
        Ok(file)
    }

    /// Opens again whatever is of an earlier epoch, while it can still be found.
    pub(crate) fn settle(&self, lent: &Lent, nodes: &Table) {
        let of_then: Vec<_> = {
            let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
            let old = files.iter().filter(|(_, open)| open.epoch != lent.epoch);
            old.map(|(fh, _)| *fh).collect()
        };
        for fh in of_then {
            // One that is lost says so when it is used.
            let _ = self.file(fh, lent, nodes);
        }
    }

    /// The numbers of what is open for writing.
    pub(crate) fn writable(&self) -> Vec<u64> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> =
            files.values().filter(|open| open.write).map(|open| open.ino).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(crate) fn has_unlinked(&self) -> bool {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.values().any(|open| open.file.node().path().is_err())
    }

    pub(crate) fn close_file(&self, fh: u64) {
        let gone = self.files.write().unwrap_or_else(PoisonError::into_inner).remove(&fh);
        // It may close a descriptor: not under the lock.
        drop(gone);
    }
}
