//! Copying what a view shows into a directory, and remembering what was put there.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use brio_session::{DirHandle, FileHandle, Handle, Kind, OpenOptions, RelPath, View};

use super::PlainError;

/// What tells whether a guest touched something: the host's inode, size and change time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) kind: Kind,
    pub(super) ino: u64,
    pub(super) size: u64,
    pub(super) ctime: (i64, i64),
}

/// Everything that was copied, by path; its order puts a directory before what it holds.
pub(super) type Known = BTreeMap<RelPath, Stamp>;

/// The bytes that a copy takes. Sparse files count in full.
pub(super) fn size(view: &View, root: &DirHandle) -> Result<u64, PlainError> {
    let mut bytes = 0_u64;
    walk(view, root, &mut |path, kind| {
        if kind == Kind::File {
            let meta =
                view.stat_at(root, path.as_bytes(), false).map_err(PlainError::view(path))?;
            bytes = bytes.saturating_add(meta.size);
        }
        Ok(())
    })?;
    Ok(bytes)
}

/// Makes `dir` and copies the view into it: files with their holes filled, hard links as hard
/// links, symbolic links, modes and modification times. Devices, FIFOs and sockets are left out.
pub(super) fn materialise(view: &View, root: &DirHandle, dir: &Path) -> Result<Known, PlainError> {
    crate::brio::make_private(dir).map_err(PlainError::host(dir))?;
    let mut paths = Vec::new();
    let mut links: HashMap<u64, PathBuf> = HashMap::new();
    walk(view, root, &mut |path, kind| {
        let target = dir.join(path.to_path());
        match kind {
            Kind::Dir => fs::create_dir(&target).map_err(PlainError::host(&target))?,
            Kind::Symlink | Kind::File => {
                let meta =
                    view.stat_at(root, path.as_bytes(), false).map_err(PlainError::view(path))?;
                match links.get(&meta.ino) {
                    Some(first) => {
                        fs::hard_link(first, &target).map_err(PlainError::host(&target))?;
                    }
                    None if kind == Kind::Symlink => {
                        let to = view.read_link_at(root, path.as_bytes());
                        symlink(&to.map_err(PlainError::view(path))?, &target)
                            .map_err(PlainError::host(&target))?;
                    }
                    None => {
                        copy(&open_file(view, root, path)?, path, &target)?;
                        set_meta(&target, meta.mode, meta.mtime)
                            .map_err(PlainError::host(&target))?;
                    }
                }
                if meta.nlink > 1 {
                    links.entry(meta.ino).or_insert(target);
                }
            }
            Kind::Other => return Ok(()),
        }
        paths.push((path.clone(), kind));
        Ok(())
    })?;
    // Deepest first: a directory's mode may forbid, and its time is moved by, making what it holds.
    for (path, _) in paths.iter().rev().filter(|(_, kind)| *kind == Kind::Dir) {
        let meta = view.stat_at(root, path.as_bytes(), false).map_err(PlainError::view(path))?;
        let target = dir.join(path.to_path());
        set_meta(&target, meta.mode, meta.mtime).map_err(PlainError::host(&target))?;
    }
    // Stamped last: a second name moves the change time of the first.
    paths
        .into_iter()
        .map(|(path, _)| {
            let target = dir.join(path.to_path());
            let stamp = stamp(&target).map_err(PlainError::host(&target))?;
            Ok((path, stamp))
        })
        .collect()
}

/// Visits everything below the root, a directory before what it holds.
fn walk(
    view: &View,
    root: &DirHandle,
    visit: &mut dyn FnMut(&RelPath, Kind) -> Result<(), PlainError>,
) -> Result<(), PlainError> {
    let mut left = vec![RelPath::root()];
    while let Some(dir) = left.pop() {
        for entry in list(view, root, &dir)? {
            let path = dir.join(&entry.name);
            visit(&path, entry.kind)?;
            if entry.kind == Kind::Dir {
                left.push(path);
            }
        }
    }
    Ok(())
}

fn list(
    view: &View,
    root: &DirHandle,
    dir: &RelPath,
) -> Result<Vec<brio_session::DirEntry>, PlainError> {
    if dir.is_root() {
        return root.list().map_err(PlainError::view(dir));
    }
    let how = OpenOptions { read: true, directory: true, ..OpenOptions::default() };
    match view.open_at(root, dir.as_bytes(), &how).map_err(PlainError::view(dir))? {
        Handle::Dir(handle) => handle.list().map_err(PlainError::view(dir)),
        Handle::File(_) => Err(PlainError::view(dir)(brio_session::FsError::NotDirectory)),
    }
}

/// Opens a file of the view for reading.
pub(super) fn open_file(
    view: &View,
    root: &DirHandle,
    path: &RelPath,
) -> Result<FileHandle, PlainError> {
    let how = OpenOptions { read: true, ..OpenOptions::default() };
    match view.open_at(root, path.as_bytes(), &how).map_err(PlainError::view(path))? {
        Handle::File(file) => Ok(file),
        Handle::Dir(_) => Err(PlainError::view(path)(brio_session::FsError::IsDirectory)),
    }
}

fn copy(from: &FileHandle, path: &RelPath, to: &Path) -> Result<(), PlainError> {
    let mut out = File::create(to).map_err(PlainError::host(to))?;
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        let n = from.read_at(&mut buffer, at).map_err(PlainError::view(path))?;
        if n == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..n]).map_err(PlainError::host(to))?;
        at += n as u64;
    }
}

#[cfg(unix)]
fn symlink(to: &[u8], at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(brio_session::to_os(to), at)
}

#[cfg(not(unix))]
fn symlink(_: &[u8], _: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

fn set_meta(path: &Path, mode: u32, mtime: brio_session::Time) -> std::io::Result<()> {
    use std::time::{Duration, UNIX_EPOCH};
    let offset = Duration::new(mtime.secs.unsigned_abs(), 0);
    let time = if mtime.secs < 0 { UNIX_EPOCH - offset } else { UNIX_EPOCH + offset };
    // Times first: a read-only file cannot be opened for them afterwards.
    let time = time + Duration::from_nanos(mtime.nanos.into());
    let times = fs::FileTimes::new().set_modified(time);
    File::open(path)?.set_times(times)?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    #[cfg(not(unix))]
    let _ = mode;
    Ok(())
}

/// What lies there now; symbolic links are not followed.
#[cfg(unix)]
pub(super) fn stamp(path: &Path) -> std::io::Result<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::symlink_metadata(path)?;
    let kind = meta.file_type();
    let kind = if kind.is_dir() {
        Kind::Dir
    } else if kind.is_file() {
        Kind::File
    } else if kind.is_symlink() {
        Kind::Symlink
    } else {
        Kind::Other
    };
    Ok(Stamp { kind, ino: meta.ino(), size: meta.size(), ctime: (meta.ctime(), meta.ctime_nsec()) })
}

#[cfg(not(unix))]
pub(super) fn stamp(_: &Path) -> std::io::Result<Stamp> {
    Err(std::io::ErrorKind::Unsupported.into())
}
