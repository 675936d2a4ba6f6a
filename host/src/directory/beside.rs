//! A directory that appears at once: it is written beside its name, and renamed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::remove_tree;

/// A private directory in the same directory as a name. Dropped, it is removed with all that is
/// left in it.
pub(crate) struct Beside {
    at: PathBuf,
    dir: PathBuf,
    /// The lock of a killed process is free.
    _lock: Option<fs::File>,
}

impl Beside {
    /// Makes one, and removes what those left that were killed.
    ///
    /// # Errors
    /// It cannot be made there.
    pub(crate) fn make(at: &Path) -> io::Result<Self> {
        remove_left(at)?;
        let (dir, lock) = beside(at)?;
        Ok(Self { at: at.to_owned(), dir, _lock: lock })
    }

    /// Where to write.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Gives `from`, which is this directory or in it, the name. `AlreadyExists`, or another
    /// error: it is where it was.
    pub(crate) fn publish(&self, from: &Path) -> io::Result<()> {
        rename_new(from, &self.at)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        remove_tree(&self.dir);
    }
}

/// What the names begin with that are made beside `at`.
fn prefix(at: &Path) -> String {
    let name = at.file_name().unwrap_or_default().to_string_lossy();
    let short: String = name.chars().take(60).collect();
    format!(".{short}.brio-")
}

/// Makes a directory in the same directory, and locks it.
fn beside(at: &Path) -> io::Result<(PathBuf, Option<fs::File>)> {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let id = std::process::id();
        let dir = at.with_file_name(format!("{}{id:x}-{now:x}", prefix(at)));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&dir)?;
        if !cfg!(unix) {
            return Ok((dir, None));
        }
        // Somebody who cleans up may have seen it before it was locked.
        if let Ok(lock) = fs::File::open(&dir)
            && lock.try_lock().is_ok()
            && dir.exists()
        {
            return Ok((dir, Some(lock)));
        }
    }
}

/// Removes what was left beside `at` by those that were killed.
fn remove_left(at: &Path) -> io::Result<()> {
    let prefix = prefix(at);
    let Some(parent) = at.parent().filter(|_| cfg!(unix)) else { return Ok(()) };
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(&prefix)
            || !entry.file_type().is_ok_and(|kind| kind.is_dir())
        {
            continue;
        }
        // What cannot be looked at is somebody else's.
        if let Ok(lock) = fs::File::open(entry.path())
            && lock.try_lock().is_ok()
        {
            remove_tree(&entry.path());
        }
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not on this file system; a plain one takes the place of an empty directory at most.
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
        done => Ok(done?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}
