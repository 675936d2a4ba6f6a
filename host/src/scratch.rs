//! Directories in the home that end with the process which made them, however that ends.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::directory::remove_tree;

/// A name that is this process's, with what lies there, until it is dropped. Its lock tells
/// others that somebody uses it: a sweep takes only what nobody locks.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: PathBuf,
    lock_path: PathBuf,
    lock: File,
}

impl Scratch {
    /// Takes a name below `parent`, which is made; what crashes left there goes. Nothing lies at
    /// the name yet.
    pub(crate) fn take(parent: &Path, name: &str) -> io::Result<Self> {
        crate::brio::make_private(parent)?;
        sweep(parent);
        let lock_path = parent.join(format!("{name}.lock"));
        let lock = lock(&lock_path)?;
        Ok(Self { dir: parent.join(name), lock_path, lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Its lock file: one on the same file system.
    pub(crate) fn lock(&self) -> &File {
        &self.lock
    }

    /// Leaves what lies there where it is, for a person.
    pub(crate) fn keep(self) -> PathBuf {
        remove_tree(&self.lock_path);
        std::mem::take(&mut std::mem::ManuallyDrop::new(self).dir)
    }
}

impl Drop for Scratch {
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

/// Removes what a crash left behind. How many there were.
pub(crate) fn sweep(parent: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(parent) else { return 0 };
    let mut swept = 0;
    for lock_path in entries.filter_map(|e| Some(e.ok()?.path())) {
        if lock_path.extension().is_none_or(|e| e != "lock") {
            continue;
        }
        let Ok(lock) = File::open(&lock_path) else { continue };
        match lock.try_lock() {
            Ok(()) => {
                remove(&lock_path.with_extension(""), &lock_path);
                swept += 1;
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
    swept
}

fn remove(dir: &Path, lock: &Path) {
    remove_tree(dir);
    remove_tree(lock);
}

#[cfg(test)]
mod tests {
    use super::*;

    // F-061: what a process left that is gone goes, what somebody uses stays.
    #[test]
    fn a_sweep_takes_what_nobody_uses() -> io::Result<()> {
        let home = tempfile::tempdir()?;
        let parent = home.path().join("plain");
        let used = Scratch::take(&parent, "used")?;
        std::fs::create_dir(used.path())?;
        // All are taken before one is left: who takes a name sweeps.
        let left = [Scratch::take(&parent, "left")?, Scratch::take(&parent, "left-too")?];
        for left in left {
            std::fs::create_dir(left.path())?;
            std::fs::write(left.path().join("file"), "what a task was given")?;
            // As a kill does it: the lock goes with the process, the files stay.
            let dir = left.keep();
            File::create(dir.with_extension("lock"))?;
        }
        assert_eq!(sweep(&parent), 2);
        assert!(used.path().is_dir() && !parent.join("left").exists());
        drop(used);
        assert_eq!(std::fs::read_dir(&parent)?.count(), 0);
        Ok(())
    }
}
