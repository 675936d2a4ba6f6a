//! How far something is, and whether to go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{WorktreeError, WorktreeResult};

/// How far something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files that are done.
    pub files: u64,
    /// Of how many.
    pub of_files: u64,
    /// Bytes of files that are done.
    pub bytes: u64,
    /// Of how many.
    pub of_bytes: u64,
}

/// Called after each file, and within large ones, on any thread: it should be quick.
pub type Told = Arc<dyn Fn(&Progress) + Send + Sync>;

/// Who waits: is told how far it is, and can stop it.
#[derive(Clone, Default)]
pub struct Watch {
    /// Is told how far it is.
    pub told: Option<Told>,
    /// Set it, and what is under way ends with `INTERRUPTED` soon.
    pub stop: Option<Arc<AtomicBool>>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("stop", &self.stop).finish_non_exhaustive()
    }
}

/// What the threads of one operation share.
pub(super) struct Pace {
    watch: Watch,
    ended: AtomicBool,
    files: AtomicU64,
    bytes: AtomicU64,
    of_files: AtomicU64,
    of_bytes: AtomicU64,
}

impl Pace {
    pub(super) fn new(watch: &Watch) -> Arc<Self> {
        Arc::new(Self {
            watch: watch.clone(),
            ended: AtomicBool::new(false),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            of_files: AtomicU64::new(0),
            of_bytes: AtomicU64::new(0),
        })
    }

    /// That there is so much more to do.
    pub(super) fn expect(&self, files: u64, bytes: u64) {
        self.of_files.fetch_add(files, Ordering::Relaxed);
        self.of_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn done(&self, files: u64, bytes: u64) {
        let files = self.files.fetch_add(files, Ordering::Relaxed) + files;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(told) = &self.watch.told {
            told(&Progress {
                files,
                bytes,
                of_files: self.of_files.load(Ordering::Relaxed),
                of_bytes: self.of_bytes.load(Ordering::Relaxed),
            });
        }
    }

    pub(super) fn go_on(&self) -> WorktreeResult<()> {
        let stop = self.watch.stop.as_ref().is_some_and(|s| s.load(Ordering::Relaxed));
        match stop || self.ended.load(Ordering::Relaxed) {
            true => Err(WorktreeError::Interrupted),
            false => Ok(()),
        }
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Ends the threads of an operation that nobody waits for any more.
pub(super) struct EndsWith(pub(super) Arc<Pace>);

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.0.end();
    }
}
