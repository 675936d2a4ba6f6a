//! The plain form of a run: the session as a directory of its own, given to the guest through
//! an ordinary preopen, and what it changed there taken back.
//!
//! It cannot enforce limits on disk and files, nor show child sessions. After a crash nothing
//! is taken back: the session is as it was before the run.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use brio_landing::{Short, SpaceGuards};
use brio_session::{DirHandle, DirLower, View};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::DirectoryError;
use crate::directory::{
    Known, Listing, Sides, Watch, look, make_private_and_write, outlast, remove_tree, space_left,
    stamps_of, take_back,
};

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
    #[error("NO_SPACE: {0}; free some, or run without --preopen")]
    Space(Short),
    /// The session or the directory could not be read or written.
    #[error("PREOPEN: {0}; what the agent changed is not taken back")]
    Directory(#[from] DirectoryError),
}

impl PlainError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Space(_) => "NO_SPACE",
            _ => "PREOPEN",
        }
    }
}

/// The copy and as much again; of the whole disk, if need be.
const GUARDS: SpaceGuards = SpaceGuards { share: 100, factor: 2 };

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
        crate::brio::make_private(scratch).map_err(DirectoryError::host(scratch))?;
        sweep(scratch);
        let lock_path = scratch.join(format!("{name}.lock"));
        let lock = lock(&lock_path).map_err(DirectoryError::host(&lock_path))?;
        let mut plain = Self { dir: scratch.join(name), lock_path, known: Known::default(), lock };
        let listing = Listing::of(view, root, &Watch::default())?;
        GUARDS.check(listing.bytes, space_left(scratch)?).map_err(PlainError::Space)?;
        make_private_and_write(view, root, &listing, &plain.dir, false)?;
        // Stamped last: a second name moves the change time of the first.
        plain.known = stamps_of(&plain.dir)?;
        outlast(&plain.known, &plain.lock).map_err(DirectoryError::host(&plain.lock_path))?;
        Ok(plain)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// The directory, to preopen.
    pub(crate) fn open(&self) -> Result<Dir, PlainError> {
        let opened = Dir::open_ambient_dir(&self.dir, ambient_authority());
        Ok(opened.map_err(DirectoryError::host(&self.dir))?)
    }

    /// Writes into the session what differs from what was copied out.
    pub(crate) fn take_back(&self, view: &View, root: &DirHandle) -> Result<(), PlainError> {
        let (dir, watch) = (DirLower::new(self.open()?), Watch::default());
        let now = look(&dir, &self.dir)?.known;
        let sides =
            Sides { dir: &dir, shown: &self.dir, view, root, watch: &watch, dir_times: true };
        take_back(&sides, &self.known, &now)?;
        Ok(())
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
        match (std::fs::symlink_metadata(path), lock.metadata()?.ino()) {
            (Ok(there), ours) if there.ino() == ours => return Ok(lock),
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
    remove_tree(dir);
    remove_tree(lock);
}

#[cfg(test)]
mod tests {
    use super::{GUARDS, PlainError};

    // B-114: twice the source must be free, and the message says how much is missing.
    #[test]
    fn twice_the_size_must_be_free() {
        assert!(GUARDS.check(10_000_000, 20_000_000).is_ok());
        let short = GUARDS.check(10_000_001, 20_000_000).expect_err("one byte too many");
        let error = PlainError::Space(short).to_string();
        assert!(error.starts_with("NO_SPACE: Insufficient space: need 21MB, have 20MB"), "{error}");
    }
}
