//! Where an export goes: a directory that is there as a whole, or as it was before.

use std::fs::{self, FileTimes, Permissions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use brio_session::{FsError, Meta, RelPath};

use super::write_out::set_meta;
use super::{DirectoryError, ExportError, Listing};

/// The directory that an export makes. Dropped before it is [finished](Self::finish), nothing
/// is left of it.
pub(super) struct Target {
    /// As it will be found.
    at: PathBuf,
    /// Where it is written.
    work: PathBuf,
    /// It was there, and empty: what it looked like, and the names that are made in it.
    was: Option<(fs::Metadata, Vec<PathBuf>)>,
    /// The lock of what is written beside `at`: the one of a killed process is free.
    _lock: Option<fs::File>,
    finished: bool,
}

impl Target {
    /// Looks at `dir`, which is not there or an empty directory and lies in none of `closed`,
    /// and makes the place that is written to.
    pub(super) fn make(dir: &Path, closed: &[(&Path, &'static str)]) -> Result<Self, ExportError> {
        let at = place(dir)?;
        for (closed, what) in closed {
            if is_in(&at, closed) {
                return Err(ExportError::Inside { path: at, what, of: closed.to_path_buf() });
            }
        }
        let fail = |e: io::Error| DirectoryError::host(&at)(e);
        let was = match fs::symlink_metadata(&at) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(fail(e).into()),
            Ok(meta) if !meta.is_dir() => return Err(ExportError::Exists { path: at }),
            Ok(meta) => match fs::read_dir(&at).map_err(fail)?.next() {
                Some(_) => return Err(ExportError::Exists { path: at }),
                None => Some((meta, Vec::new())),
            },
        };
        if was.is_some() {
            return Ok(Self { work: at.clone(), at, was, _lock: None, finished: false });
        }
        remove_left(&at).map_err(DirectoryError::host(&at))?;
        let (work, lock) = beside(&at)?;
        Ok(Self { at, work, was, _lock: lock, finished: false })
    }

    /// Where to write.
    pub(super) fn work(&self) -> &Path {
        &self.work
    }

    /// Remembers what is going to be made, to be taken away again.
    pub(super) fn expect(&mut self, listing: &Listing) {
        if let Some((_, names)) = &mut self.was {
            let top = |path: &RelPath| path.split().is_some_and(|(parent, _)| parent.is_root());
            let tops = listing.entries.iter().map(|(path, _)| path).filter(|path| top(path));
            *names = tops.map(|path| self.work.join(path.to_path())).collect();
        }
    }

    /// Gives it the mode and times of the session's root, and its name.
    pub(super) fn finish(mut self, root: &Meta) -> Result<PathBuf, ExportError> {
        let open = fs::File::open(&self.work).map_err(DirectoryError::host(&self.work))?;
        // Renamed first: a directory that may not be written may not be moved either.
        if self.was.is_none() {
            match rename_new(&self.work, &self.at) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(ExportError::Exists { path: self.at.clone() });
                }
                Err(e) => return Err(DirectoryError::host(&self.at)(e).into()),
            }
            self.work.clone_from(&self.at);
        }
        set_meta(&open, root).map_err(DirectoryError::host(&self.at))?;
        self.finished = true;
        Ok(self.at.clone())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let Some((meta, names)) = &self.was else { return remove_tree(&self.work) };
        for path in names {
            remove_tree(path);
        }
        let restored = fs::File::open(&self.at).and_then(|dir| {
            dir.set_permissions(meta.permissions())?;
            dir.set_times(FileTimes::new().set_modified(meta.modified()?))
        });
        if let Err(error) = restored {
            tracing::warn!(path = %self.at.display(), %error, "not as it was");
        }
    }
}

/// The real path of a directory that need not be there; its parent must.
fn place(dir: &Path) -> Result<PathBuf, DirectoryError> {
    match fs::canonicalize(dir) {
        Ok(path) => return Ok(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(DirectoryError::host(dir)(e)),
    }
    let name = dir.file_name().ok_or(FsError::Invalid).map_err(DirectoryError::host(dir))?;
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Ok(fs::canonicalize(parent).map_err(DirectoryError::host(parent))?.join(name))
}

/// Whether `path`, which is real, is `dir` or lies below it, whatever it is called.
fn is_in(path: &Path, dir: &Path) -> bool {
    let Some(of) = same_as(dir) else { return false };
    path.ancestors().any(|up| same_as(up) == Some(of))
}

#[cfg(unix)]
fn same_as(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

#[cfg(not(unix))]
fn same_as(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// What the names begin with that are made beside `at`.
fn prefix(at: &Path) -> String {
    let name = at.file_name().unwrap_or_default().to_string_lossy();
    let short: String = name.chars().take(60).collect();
    format!(".{short}.brio-")
}

/// Makes a directory in the same directory, and locks it.
fn beside(at: &Path) -> Result<(PathBuf, Option<fs::File>), DirectoryError> {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let id = std::process::id();
        let work = at.with_file_name(format!("{}{id:x}-{now:x}", prefix(at)));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&work).map_err(DirectoryError::host(&work))?;
        if !cfg!(unix) {
            return Ok((work, None));
        }
        // Somebody who cleans up may have seen it before it was locked.
        if let Ok(lock) = fs::File::open(&work)
            && lock.try_lock().is_ok()
            && work.exists()
        {
            return Ok((work, Some(lock)));
        }
    }
}

/// Removes what exports to `at` left that were killed.
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

/// Removes a file or a directory with all that it holds, also where the modes in it forbid. What
/// cannot be removed is logged.
pub(crate) fn remove_tree(path: &Path) {
    if let Err(error) = remove(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "left behind");
    }
}

/// Removes a file or a directory with all that it holds, also where the modes in it forbid.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
        done => return done,
    }
    #[cfg(unix)]
    let open: Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    #[cfg(not(unix))]
    let open: Permissions = fs::metadata(path)?.permissions();
    let mut left = vec![path.to_owned()];
    while let Some(dir) = left.pop() {
        fs::set_permissions(&dir, open.clone())?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                left.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(path)
}
