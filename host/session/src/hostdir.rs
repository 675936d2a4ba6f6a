//! A plain directory of the host as a lower, and the system calls that reading one takes.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, PoisonError, RwLock};

use cap_std::fs::Dir;

use crate::{
    DirEntry, Fingerprint, FsError, FsResult, Lower, Meta, Observations, RelPath, STATE_DIR, Source,
};
#[cfg(unix)]
use crate::{Kind, to_os};

const CACHED_DIRS: usize = 256;

/// A directory of the host, read without following links and never left.
///
/// It caches descriptors of directories, so it serves where nobody else renames directories
/// (a private copy), or where the owner [clears](Self::clear) it when somebody may have.
pub struct DirLower {
    root: Arc<Dir>,
    dirs: RwLock<HashMap<RelPath, Arc<Dir>>>,
}

impl DirLower {
    /// Over `root`.
    pub fn new(root: Dir) -> Self {
        Self { root: Arc::new(root), dirs: RwLock::default() }
    }

    /// Drops the cached descriptors.
    pub fn clear(&self) {
        self.dirs.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The directory at `path`.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory` (a link is none), and the host's.
    pub fn dir(&self, path: &RelPath) -> FsResult<Arc<Dir>> {
        if path.is_root() {
            return Ok(self.root.clone());
        }
        if let Some(d) = self.dirs.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(d.clone());
        }
        let Some((parent, name)) = path.split() else { return Ok(self.root.clone()) };
        if name == STATE_DIR.as_bytes() {
            return Err(FsError::NotFound);
        }
        let opened = Arc::new(open_dir(&*self.dir(&parent)?, name)?);
        let mut dirs = self.dirs.write().unwrap_or_else(PoisonError::into_inner);
        if dirs.len() >= CACHED_DIRS {
            dirs.clear();
        }
        dirs.insert(path.clone(), opened.clone());
        Ok(opened)
    }

    fn at<T>(&self, path: &RelPath, f: impl FnOnce(&Dir, &[u8]) -> FsResult<T>) -> FsResult<T> {
        match path.split() {
            Some((_, name)) if name == STATE_DIR.as_bytes() => Err(FsError::NotFound),
            Some((parent, name)) => f(&*self.dir(&parent)?, name),
            None => f(&self.root, b"."),
        }
    }

    /// Opens the regular file at `path`.
    ///
    /// # Errors
    /// As [`Lower::open`].
    pub fn open_file(&self, path: &RelPath) -> FsResult<File> {
        self.at(path, open_file)
    }

    /// The fingerprint of what is at `path` now.
    ///
    /// # Errors
    /// As [`Lower::stat`].
    pub fn fingerprint_now(&self, path: &RelPath) -> FsResult<Fingerprint> {
        self.at(path, |d, n| stat(d, n).map(|(_, f)| f))
    }
}

impl Lower for DirLower {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        self.at(path, |d, n| stat(d, n).map(|(m, _)| m))
    }

    fn open(&self, path: &RelPath) -> FsResult<Source> {
        Ok(self.open_file(path)?.into())
    }

    #[cfg(unix)]
    fn open_known(&self, path: &RelPath) -> FsResult<Source> {
        Ok(self.at(path, open_unchecked)?.into())
    }

    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        self.at(path, read_link)
    }

    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        list(&*self.dir(path)?)
    }

    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        Ok(Some(path.clone()))
    }

    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        match self.fingerprint_now(base) {
            Ok(f) => Ok(Some(f)),
            Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn touched(&self, _path: &RelPath) -> FsResult<Option<Vec<Vec<u8>>>> {
        Ok(None)
    }

    fn observations(&self, _into: &mut Observations) {}

    fn own_file(&self, _path: &RelPath) -> FsResult<Option<(Dir, String)>> {
        Ok(None)
    }

    fn reserved(&self, path: &RelPath) -> FsResult<bool> {
        match stat(&*self.dir(path)?, STATE_DIR.as_bytes()) {
            Ok(_) => Ok(true),
            Err(FsError::NotFound) => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn base(&self) -> &dyn Lower {
        self
    }
}

/// Opens a directory by one name, links not followed.
///
/// # Errors
/// `NotFound`, `NotDirectory`, and the host's.
#[cfg(unix)]
pub fn open_dir(dir: &Dir, name: &[u8]) -> FsResult<Dir> {
    use rustix::fs::{Mode, OFlags, openat};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let how = OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let how = OFlags::RDONLY;
    let flags = how | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(dir, &*to_os(name), flags, Mode::empty()) {
        Ok(fd) => Ok(Dir::from_std_file(File::from(fd))),
        Err(rustix::io::Errno::LOOP) => Err(FsError::NotDirectory),
        Err(e) => Err(e.into()),
    }
}

/// Metadata and fingerprint of one name in a directory, links not followed; `.` for itself.
///
/// # Errors
/// `NotFound` and the host's.
#[cfg(unix)]
pub fn stat(dir: &Dir, name: &[u8]) -> FsResult<(Meta, Fingerprint)> {
    use rustix::fs::{AtFlags, statat};
    Ok(from_stat(&statat(dir, &*to_os(name), AtFlags::SYMLINK_NOFOLLOW)?))
}

/// Metadata and fingerprint of an open file.
///
/// # Errors
/// The host's.
#[cfg(unix)]
pub fn stat_file(file: &File) -> FsResult<(Meta, Fingerprint)> {
    Ok(from_stat(&rustix::fs::fstat(file)?))
}

#[cfg(unix)]
#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "the fields' types differ between systems"
)]
pub(crate) fn from_stat(s: &rustix::fs::Stat) -> (Meta, Fingerprint) {
    use crate::Time;
    use rustix::fs::FileType;
    let kind = match FileType::from_raw_mode(s.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    };
    let time = |secs: i64, nanos: u32| Time { secs, nanos };
    let mtime = time(s.st_mtime as i64, s.st_mtime_nsec as u32);
    let ctime = time(s.st_ctime as i64, s.st_ctime_nsec as u32);
    let (ino, nlink, size) = (s.st_ino as u64, s.st_nlink as u64, s.st_size as u64);
    let mode = (s.st_mode as u32) & 0o7777;
    let atime = time(s.st_atime as i64, s.st_atime_nsec as u32);
    (
        Meta { kind, ino, nlink, size, mode, atime, mtime, ctime },
        Fingerprint { kind, ino, mode, nlink, size, mtime, ctime },
    )
}

/// Opens a regular file for reading, links not followed.
///
/// # Errors
/// `IsDirectory`, `NotSupported` for other kinds, and the host's.
#[cfg(unix)]
pub fn open_file(dir: &Dir, name: &[u8]) -> FsResult<File> {
    let file = open_unchecked(dir, name)?;
    match stat_file(&file)?.0.kind {
        Kind::File => Ok(file),
        Kind::Dir => Err(FsError::IsDirectory),
        _ => Err(FsError::NotSupported),
    }
}

#[cfg(unix)]
fn open_unchecked(dir: &Dir, name: &[u8]) -> FsResult<File> {
    use rustix::fs::{Mode, OFlags, openat};
    // NONBLOCK: a FIFO must not hold us up before its kind is known.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(File::from(openat(dir, &*to_os(name), flags, Mode::empty())?))
}

/// The target of a link.
///
/// # Errors
/// `Invalid` for other kinds, and the host's.
#[cfg(unix)]
pub fn read_link(dir: &Dir, name: &[u8]) -> FsResult<Vec<u8>> {
    Ok(rustix::fs::readlinkat(dir, &*to_os(name), Vec::new())?.into_bytes())
}

/// The entries of a directory, without `.`, `..` and reserved names.
///
/// # Errors
/// The host's.
#[cfg(unix)]
pub fn list(dir: &Dir) -> FsResult<Vec<DirEntry>> {
    use rustix::fs::{FileType, Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = openat(dir, c".", flags, Mode::empty())?;
    let mut out = Vec::new();
    for entry in rustix::fs::Dir::new(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." || name == STATE_DIR.as_bytes() {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Symlink,
            FileType::Unknown => stat(dir, name)?.0.kind,
            _ => Kind::Other,
        };
        out.push(DirEntry { name: name.to_vec(), kind, ino: entry.ino() });
    }
    Ok(out)
}

#[cfg(not(unix))]
pub use portable::{list, open_dir, open_file, read_link, stat, stat_file};

#[cfg(not(unix))]
#[path = "hostdir_portable.rs"]
mod portable;
