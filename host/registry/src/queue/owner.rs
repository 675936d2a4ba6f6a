//! Who works on jobs: a process that holds the lock of a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// This process, as an owner of jobs, until it is dropped or the process ends in whatever way.
#[derive(Debug)]
pub struct Owner {
    name: String,
    path: PathBuf,
    _lock: File,
}

impl Owner {
    /// Becomes an owner. `dir` holds a file for each; it is made when it is not there.
    ///
    /// # Errors
    /// The host's.
    pub fn new(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let pid = std::process::id();
        loop {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            let name = format!("{pid}-{now:x}");
            let path = dir.join(&name);
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            // Nobody knows the name before the queue says it.
            file.lock()?;
            return Ok(Self { name, path, _lock: file });
        }
    }

    /// Its name in the queue.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether the owner of this name is alive.
///
/// # Errors
/// The host's.
pub fn is_alive(dir: &Path, name: &str) -> io::Result<bool> {
    let path = dir.join(name);
    let file = match File::open(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    match file.try_lock() {
        Ok(()) => {
            let _ = std::fs::remove_file(&path);
            Ok(false)
        }
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(e),
    }
}
