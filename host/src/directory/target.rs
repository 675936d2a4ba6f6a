//! Where an export goes: a directory that is there as a whole, or as it was before.

use std::fs::{self, FileTimes, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use brio_session::{FsError, Meta, RelPath};

use super::beside::Beside;
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
    /// It was not there: it is written beside `at`.
    beside: Option<Beside>,
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
            return Ok(Self { work: at.clone(), at, was, beside: None, finished: false });
        }
        let beside = Beside::make(&at).map_err(DirectoryError::host(&at))?;
        let work = beside.dir().to_owned();
        Ok(Self { at, work, was, beside: Some(beside), finished: false })
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
        if let Some(beside) = &self.beside {
            match beside.publish(&self.work) {
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
        let Some((meta, names)) = &self.was else { return };
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
