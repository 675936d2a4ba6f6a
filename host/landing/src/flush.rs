//! One `syncfs` for all who wait for one.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::disk::Disk;

/// The flushes of a file system. A flush serves everybody whose writes were complete when it
/// began; who comes while one is under way waits for the next, and all who wait share that.
pub(crate) struct Flush {
    /// Open for as long as the domain is: the kernel reports every error of writing back since.
    fd: OwnedFd,
    count: Mutex<Count>,
    over: Condvar,
}

#[derive(Default)]
struct Count {
    begun: u64,
    ended: u64,
    failed: u64,
}

impl Flush {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd, count: Mutex::default(), over: Condvar::new() }
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many have failed: to be asked before the first write that [`wait`](Self::wait) is to
    /// make durable.
    pub(crate) fn failed(&self) -> u64 {
        self.count().failed
    }

    /// Makes durable what was written before. An error is told once to a descriptor, so it
    /// counts for everybody who had begun to write: it may have been theirs.
    pub(crate) fn wait(&self, disk: &Disk, failed_before: u64) -> io::Result<()> {
        let mut count = self.count();
        let mine = count.begun + 1;
        loop {
            if count.ended >= mine {
                return if count.failed > failed_before { Err(Errno::IO.into()) } else { Ok(()) };
            }
            if count.begun > count.ended {
                count = self.over.wait(count).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            count.begun += 1;
            drop(count);
            let synced = disk.sync_fs(&self.fd);
            count = self.count();
            count.ended = count.begun;
            count.failed += u64::from(synced.is_err());
            self.over.notify_all();
            synced?;
        }
    }
}
