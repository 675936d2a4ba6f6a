//! The plain form of a run: the session as a directory of its own, given to the guest through
//! an ordinary preopen, and what it changed there taken back.
//!
//! It cannot enforce limits on disk and files, nor show child sessions. After a crash nothing
//! is taken back: the session is as it was before the run.
mod materialise;
mod space;
mod take_back;

use std::fs::{File, FileTimes, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use brio_session::{DirHandle, FsError, RelPath, View};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use materialise::Known;

/// How long a file system's clock may stand still.
const CLOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The plain directory could not be made or taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlainError {
    /// A flag that the plain form cannot honour.
    #[error("PREOPEN: {flag} cannot be enforced with --preopen; leave one of them out")]
    Flag {
        /// The flag.
        flag: &'static str,
    },
    /// The 2x guard: the copy and as much again to work in.
    #[error(
        "NO_SPACE: Insufficient space: need {need}MB, have {have}MB; free some, or run without --preopen"
    )]
    Space {
        /// Needed, in megabytes.
        need: u64,
        /// Free, in megabytes.
        have: u64,
    },
    /// The session could not be read or written.
    #[error("PREOPEN: {path} in the session: {source}; what the agent changed is not taken back")]
    View {
        /// The path.
        path: RelPath,
        /// Why.
        source: FsError,
    },
    /// The directory could not be written or read.
    #[error("PREOPEN: {}: {source}; what the agent changed is not taken back", path.display())]
    Host {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PlainError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Space { .. } => "NO_SPACE",
            _ => "PREOPEN",
        }
    }

    fn host(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Host { path, source }
    }

    fn view(path: &RelPath) -> impl FnOnce(FsError) -> Self {
        let path = path.clone();
        move |source| Self::View { path, source }
    }
}

/// A session as a directory, until it is dropped.
pub(crate) struct Plain {
    dir: PathBuf,
    lock_path: PathBuf,
    known: Known,
    /// Held as long as the directory is in use: a sweep takes only what nobody locks.
    lock: File,
}

impl Plain {
    /// Copies what `root` shows into a directory below `scratch`.
    pub(crate) fn make(
        scratch: &Path,
        name: &str,
        view: &View,
        root: &DirHandle,
    ) -> Result<Self, PlainError> {
        crate::brio::make_private(scratch).map_err(PlainError::host(scratch))?;
        sweep(scratch);
        let lock_path = scratch.join(format!("{name}.lock"));
        let lock = lock(&lock_path).map_err(PlainError::host(&lock_path))?;
        let mut plain = Self { dir: scratch.join(name), lock_path, known: Known::default(), lock };
        space::check(scratch, materialise::size(view, root)?)?;
        plain.known = materialise::materialise(view, root, &plain.dir)?;
        plain.outlast_stamps().map_err(PlainError::host(&plain.lock_path))?;
        Ok(plain)
    }

    /// Waits until what changes from here on carries a later change time than all that was
    /// stamped: a clock may stand still for some milliseconds, and a change in the instant of
    /// its stamp would look like none.
    fn outlast_stamps(&self) -> io::Result<()> {
        let Some(newest) = self.known.values().map(|stamp| stamp.ctime).max() else {
            return Ok(());
        };
        let begun = Instant::now();
        loop {
            self.lock.set_times(FileTimes::new().set_modified(SystemTime::now()))?;
            if materialise::stamp(&self.lock_path)?.ctime > newest {
                return Ok(());
            }
            if begun.elapsed() > CLOCK_PATIENCE {
                return Err(io::Error::other("the clock of this file system stands still"));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// The directory, to preopen.
    pub(crate) fn open(&self) -> Result<Dir, PlainError> {
        Dir::open_ambient_dir(&self.dir, ambient_authority()).map_err(PlainError::host(&self.dir))
    }

    /// Writes into the session what differs from what was copied out.
    pub(crate) fn take_back(&self, view: &View, root: &DirHandle) -> Result<(), PlainError> {
        take_back::take_back(&self.dir, &self.known, view, root)
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        remove(&self.dir, &self.lock_path);
    }
}

/// Makes a lock file and takes it. A sweep may find it before it is locked, and remove it.
fn lock(path: &Path) -> io::Result<File> {
    loop {
        let lock = File::create(path)?;
        lock.lock()?;
        match (materialise::stamp(path), lock.metadata()?.ino()) {
            (Ok(there), ours) if there.ino == ours => return Ok(lock),
            (Err(e), _) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
}

/// Removes what a crash left behind.
fn sweep(scratch: &Path) {
    let Ok(entries) = std::fs::read_dir(scratch) else { return };
    for lock_path in entries.filter_map(|e| Some(e.ok()?.path())) {
        if lock_path.extension().is_none_or(|e| e != "lock") {
            continue;
        }
        let Ok(lock) = File::open(&lock_path) else { continue };
        match lock.try_lock() {
            Ok(()) => remove(&lock_path.with_extension(""), &lock_path),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

fn remove(dir: &Path, lock: &Path) {
    for (what, done) in [(dir, std::fs::remove_dir_all(dir)), (lock, std::fs::remove_file(lock))] {
        if let Err(error) = done
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %what.display(), %error, "left behind");
        }
    }
}
