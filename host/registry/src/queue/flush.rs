//! One flush for all who wait for one.
//!
//! SQLite's own (`synchronous = FULL`) holds up every other transaction while the disk works. The
//! write-ahead log is one file that is only appended to between checkpoints, each frame with a
//! checksum over those before it: who syncs that file after a commit has made it durable, and all
//! that came before it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The flushes of a write-ahead log. One serves everybody whose commit was over when it began;
/// who comes while one is under way waits for the next, and all who wait share that.
#[derive(Debug)]
pub(super) struct Flush {
    /// Open for as long as the queue is: the kernel reports every error of writing back since.
    log: File,
    count: Mutex<Count>,
    over: Condvar,
}

#[derive(Debug, Default)]
struct Count {
    begun: u64,
    ended: u64,
    failed: u64,
}

impl Flush {
    /// Of the log beside this database, which is open.
    pub(super) fn new(database: &Path) -> io::Result<Self> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let log = File::options().write(true).open(log)?;
        Ok(Self { log, count: Mutex::default(), over: Condvar::new() })
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many have failed: to be asked before the transaction that [`wait`](Self::wait) is to
    /// make durable.
    pub(super) fn failed(&self) -> u64 {
        self.count().failed
    }

    /// Makes durable what was committed before. An error is told once to a descriptor, so it
    /// counts for everybody who had begun: it may have been theirs.
    pub(super) fn wait(&self, failed_before: u64) -> io::Result<()> {
        let mut count = self.count();
        let mine = count.begun + 1;
        loop {
            if count.ended >= mine {
                if count.failed > failed_before {
                    return Err(io::Error::other("its log could not be flushed"));
                }
                return Ok(());
            }
            if count.begun > count.ended {
                count = self.over.wait(count).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            count.begun += 1;
            drop(count);
            let synced = self.log.sync_data();
            count = self.count();
            count.ended = count.begun;
            count.failed += u64::from(synced.is_err());
            self.over.notify_all();
            synced?;
        }
    }
}
