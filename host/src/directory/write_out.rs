//! A view written out as a directory.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use brio_session::{DirHandle, Kind, Meta, RelPath, View};

use super::listing::{Identity, open_file};
use super::{DirectoryError, Listing, Progress, Watch};

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) files: u64,
    pub(crate) dirs: u64,
    pub(crate) symlinks: u64,
    /// Bytes that were copied, and not shared.
    pub(crate) bytes_copied: u64,
}

/// Makes a directory that only its owner may use, and writes into it.
pub(crate) fn make_private_and_write(
    view: &View,
    root: &DirHandle,
    listing: &Listing,
    dir: &Path,
    reflink: bool,
) -> Result<Made, DirectoryError> {
    crate::brio::make_private(dir).map_err(DirectoryError::host(dir))?;
    write_out(view, root, listing, dir, reflink, &Watch::default())
}

/// Writes what a listing of the view says into the empty directory `dir`: files with their
/// holes, hard links as hard links, symbolic links with whatever target, modes and modification
/// times. Devices, FIFOs and sockets are left out. `dir` itself keeps its mode.
pub(crate) fn write_out(
    view: &View,
    root: &DirHandle,
    listing: &Listing,
    dir: &Path,
    reflink: bool,
    watch: &Watch,
) -> Result<Made, DirectoryError> {
    let mut writing =
        Writing { view, root, dir, reflink, links: HashMap::new(), made: Made::default() };
    let mut progress = Progress {
        of: listing.entries.len() as u64,
        of_bytes: listing.bytes,
        ..Progress::default()
    };
    for (path, meta) in &listing.entries {
        watch.go_on()?;
        progress.bytes += writing.entry(path, meta)?;
        progress.done += 1;
        watch.tell(&progress);
    }
    // Deepest first: a directory's mode may forbid, and its time is moved by, making what it holds.
    let mut dirs: Vec<_> = listing.entries.iter().filter(|(_, m)| m.kind == Kind::Dir).collect();
    dirs.sort_unstable_by(|a, b| b.0.cmp(&a.0));
    for (path, meta) in dirs {
        let target = dir.join(path.to_path());
        let of = File::open(&target).map_err(DirectoryError::host(&target))?;
        set_meta(&of, meta).map_err(DirectoryError::host(&target))?;
    }
    Ok(writing.made)
}

struct Writing<'a> {
    view: &'a View,
    root: &'a DirHandle,
    dir: &'a Path,
    reflink: bool,
    /// The first name of what has several, by its identity in the view.
    links: HashMap<Identity, PathBuf>,
    made: Made,
}

impl Writing<'_> {
    /// Makes one entry; returns the bytes it holds.
    fn entry(&mut self, path: &RelPath, meta: &Meta) -> Result<u64, DirectoryError> {
        let target = self.dir.join(path.to_path());
        if meta.kind == Kind::Dir {
            self.made.dirs += 1;
            fs::create_dir(&target).map_err(DirectoryError::host(&target))?;
            return Ok(0);
        }
        let mut bytes = 0;
        match self.links.get(&Identity::of(meta)) {
            Some(first) if meta.nlink > 1 => {
                fs::hard_link(first, &target).map_err(DirectoryError::host(&target))?;
            }
            _ if meta.kind == Kind::Symlink => {
                let to = self.view.read_link_at(self.root, path.as_bytes());
                symlink(&to.map_err(DirectoryError::view(path))?, &target, meta)
                    .map_err(DirectoryError::host(&target))?;
            }
            _ => {
                self.file(path, meta, &target)?;
                bytes = meta.size;
            }
        }
        match meta.kind {
            Kind::Symlink => self.made.symlinks += 1,
            _ => self.made.files += 1,
        }
        if meta.nlink > 1 {
            self.links.entry(Identity::of(meta)).or_insert(target);
        }
        Ok(bytes)
    }

    fn file(&mut self, path: &RelPath, meta: &Meta, target: &Path) -> Result<(), DirectoryError> {
        let from = open_file(self.view, self.root, path)?;
        let mut how = OpenOptions::new();
        how.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
        let to = how.open(target).map_err(DirectoryError::host(target))?;
        let copied = from.copy_to(&to, self.reflink).map_err(|source| match source {
            // About the disk that is written: what is read has no such trouble.
            brio_session::FsError::NoSpace => DirectoryError::host(target)(source),
            _ => DirectoryError::view(path)(source),
        })?;
        // An edit of the base from outside, in place, shows through: nothing torn is passed on.
        let now = self.view.stat_at(self.root, path.as_bytes(), false);
        let now = now.map_err(DirectoryError::view(path))?;
        if (now.size, now.mtime) != (meta.size, meta.mtime) {
            return Err(DirectoryError::Changing { path: path.to_path() });
        }
        self.made.bytes_copied += copied;
        set_meta(&to, meta).map_err(DirectoryError::host(target))
    }
}

/// The bytes that are free in the file system of a directory.
#[cfg(unix)]
pub(crate) fn space_left(dir: &Path) -> Result<u64, DirectoryError> {
    let stat = rustix::fs::statvfs(dir).map_err(DirectoryError::host(dir))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The bytes that are free in the file system of a directory.
#[cfg(not(unix))]
pub(crate) fn space_left(_: &Path) -> Result<u64, DirectoryError> {
    Ok(u64::MAX)
}

#[cfg(unix)]
fn symlink(to: &[u8], at: &Path, meta: &Meta) -> std::io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
    std::os::unix::fs::symlink(brio_session::to_os(to), at)?;
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec {
            tv_sec: meta.mtime.secs,
            tv_nsec: i64::from(meta.mtime.nanos),
        },
    };
    Ok(utimensat(CWD, at, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(not(unix))]
fn symlink(_: &[u8], _: &Path, _: &Meta) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Gives an open file or directory a mode and a modification time.
pub(super) fn set_meta(file: &File, meta: &Meta) -> std::io::Result<()> {
    use std::time::{Duration, UNIX_EPOCH};
    let whole = Duration::from_secs(meta.mtime.secs.unsigned_abs());
    let secs = match meta.mtime.secs {
        0.. => UNIX_EPOCH.checked_add(whole),
        _ => UNIX_EPOCH.checked_sub(whole),
    };
    let time = secs
        .and_then(|s| s.checked_add(Duration::from_nanos(meta.mtime.nanos.into())))
        .ok_or(std::io::ErrorKind::InvalidInput)?;
    file.set_times(fs::FileTimes::new().set_modified(time))?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(meta.mode))?;
    Ok(())
}
