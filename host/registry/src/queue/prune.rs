//! What has ended long ago, and is removed from the queue.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{TransactionBehavior, params};

use super::{Job, Queue, Result, job::COLUMNS};

/// So many unused bytes are no reason to write the file anew.
const WORTH: i64 = 1 << 20;

impl Queue {
    /// The submissions of which every job had ended by a time, in the order in which they were
    /// submitted.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn ended_by(&self, time: i64) -> Result<Vec<String>> {
        let ended = "SELECT submission FROM jobs GROUP BY submission \
                     HAVING min(state = 'done') AND max(ended_at) <= ?1 ORDER BY min(number)";
        self.rows(ended, [time], |row| row.get(0))
    }

    /// The jobs of a submission, in the order in which they were submitted.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn submission(&self, submission: &str) -> Result<Vec<Job>> {
        let jobs = format!("SELECT {COLUMNS} FROM jobs WHERE submission = ?1 ORDER BY number");
        self.all(&jobs, [submission])
    }

    /// Removes a submission that has ended, and what persons said of its sessions: all of it or
    /// nothing. False: a job of it is not done, or there is none. Its ids are free again.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn remove(&self, submission: &str) -> Result<bool> {
        self.durably(|db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let open = "SELECT count(*) FROM jobs WHERE submission = ?1 AND state <> 'done'";
            if tx.query_row(open, [submission], |row| row.get::<_, i64>(0))? > 0 {
                return Ok(false);
            }
            let said = "DELETE FROM decisions WHERE session IN \
                        (SELECT session FROM jobs WHERE submission = ?1)";
            tx.execute(said, [submission])?;
            // A child refers to its group.
            let children = "DELETE FROM jobs WHERE submission = ?1 AND parent IS NOT NULL";
            let of_group = tx.execute(children, [submission])?;
            let rest = tx.execute("DELETE FROM jobs WHERE submission = ?1", [submission])?;
            tx.commit()?;
            Ok(of_group + rest > 0)
        })
    }

    /// Removes what persons said by a time of sessions that are no job's any more, as those of
    /// earlier attempts. How many.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn remove_decisions(&self, time: i64) -> Result<usize> {
        let nobodys = "DELETE FROM decisions WHERE at <= ?1 AND session NOT IN \
                       (SELECT session FROM jobs WHERE session IS NOT NULL)";
        self.durably(|db| db.execute(nobodys, params![time]))
    }

    /// Gives back to the host what removed rows took, if it is a good part of the file. Others
    /// wait meanwhile.
    ///
    /// # Errors
    /// See [`open`](Self::open); it is as large as it was, and as good.
    pub fn compact(&self) -> Result<()> {
        let figure =
            |name: &str| self.db().pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let figures =
            || Ok((figure("freelist_count")?, figure("page_count")?, figure("page_size")?));
        let (free, all, size) = figures().map_err(|e| self.fail(e))?;
        if free.saturating_mul(size) < WORTH || free < all / 4 {
            return Ok(());
        }
        self.durably(|db| db.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);"))
    }
}

/// The files of owners that were made by a time, and are locked by nobody: their processes are
/// dead. With what each takes. Somebody who is becoming an owner has a file without a lock for
/// an instant: let `time` be a while ago.
///
/// # Errors
/// The host's.
pub fn dead_owners(dir: &Path, time: SystemTime) -> io::Result<Vec<(PathBuf, u64)>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut dead = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let looked = std::fs::symlink_metadata(&path).and_then(|meta| {
            if !meta.is_file() || meta.modified()? > time {
                return Ok(None);
            }
            match File::open(&path)?.try_lock() {
                Ok(()) => Ok(Some(meta.len())),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(e)) => Err(e),
            }
        });
        match looked {
            // It ended just now.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            looked => dead.extend(looked?.map(|size| (path, size))),
        }
    }
    Ok(dead)
}
