//! The file of handles: one server's at a time. Another would finish what this one is in the middle
//! of, as if it had been killed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long who takes it waits for who is about to end.
const WAIT: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(20);

/// The table could not be read or written, or is in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlesError {
    /// SQLite's.
    #[error("NFS_HANDLES: {}: {source}; without the file the server begins anew, and clients look up again what they have open", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// Another server's.
    #[error("NFS_HANDLES: {}: another server serves over NFS with it; end that one, or serve from another home", path.display())]
    InUse {
        /// The table.
        path: PathBuf,
    },
    /// The file that says who has it.
    #[error("NFS_HANDLES: {}: {source}; it must be a file that can be written and locked", path.display())]
    Lock {
        /// That file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Says that a table is in use, for as long as this lives or its process does.
pub(crate) struct Lock(File);

impl Lock {
    pub(crate) fn take(table: &Path) -> Result<Self, HandlesError> {
        let mut path = table.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let fail = |source| HandlesError::Lock { path: path.clone(), source };
        let how = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = how.map_err(fail)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < WAIT => {
                    std::thread::sleep(TICK);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(HandlesError::InUse { path: table.into() });
                }
                Err(TryLockError::Error(source)) => return Err(fail(source)),
            }
        }
    }

    /// Whoever has it still makes no more use of the table.
    pub(crate) fn release(&self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the table of NFS handles stays in use until this process ends");
        }
    }
}
