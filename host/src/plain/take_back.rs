//! Writing into a session what a guest changed in its copy: found by inode, size and change
//! time, and for files confirmed by SHA-256.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use brio_session::{
    DirHandle, FileHandle, FsError, Handle, Kind, OpenOptions, RelPath, SetTime, Time, View,
};
use sha2::{Digest, Sha256};

use super::PlainError;
use super::materialise::{Known, Stamp, open_file, stamp};

/// Makes the view show what lies in `dir`, touching only what differs from `known`.
pub(super) fn take_back(
    dir: &Path,
    known: &Known,
    view: &View,
    root: &DirHandle,
) -> Result<(), PlainError> {
    let now = look(dir)?;
    // Deepest first: a directory is empty before it goes.
    for (path, old) in known.iter().rev() {
        if now.get(path).is_none_or(|new| new.kind != old.kind) {
            let gone = match old.kind {
                Kind::Dir => view.rmdir_at(root, path.as_bytes()),
                _ => view.unlink_at(root, path.as_bytes()),
            };
            gone.map_err(PlainError::view(path))?;
        }
    }
    let mut links: HashMap<u64, RelPath> = HashMap::new();
    for (path, new) in &now {
        let old = known.get(path).filter(|old| old.kind == new.kind);
        if old != Some(new) {
            take(dir, path, new, old, &links, view, root)?;
        }
        if new.kind == Kind::File {
            links.entry(new.ino).or_insert_with(|| path.clone());
        }
    }
    // Again deepest first, because what was made in a directory moved its times.
    for (path, new) in now.iter().rev().filter(|(_, new)| new.kind == Kind::Dir) {
        if known.get(path) != Some(new) {
            take_meta(dir, path, view, root)?;
        }
    }
    Ok(())
}

fn look(dir: &Path) -> Result<BTreeMap<RelPath, Stamp>, PlainError> {
    let mut found = BTreeMap::new();
    let mut left = vec![RelPath::root()];
    while let Some(at) = left.pop() {
        let host = dir.join(at.to_path());
        for entry in fs::read_dir(&host).map_err(PlainError::host(&host))? {
            let entry = entry.map_err(PlainError::host(&host))?;
            let path = at.join(entry.file_name().as_bytes());
            let stamp = stamp(&entry.path()).map_err(PlainError::host(&entry.path()))?;
            if stamp.kind == Kind::Dir {
                left.push(path.clone());
            }
            if stamp.kind != Kind::Other {
                found.insert(path, stamp);
            }
        }
    }
    Ok(found)
}

fn take(
    dir: &Path,
    path: &RelPath,
    new: &Stamp,
    old: Option<&Stamp>,
    links: &HashMap<u64, RelPath>,
    view: &View,
    root: &DirHandle,
) -> Result<(), PlainError> {
    let fail = || PlainError::view(path);
    let host = dir.join(path.to_path());
    match new.kind {
        Kind::Dir if old.is_none() => view.mkdir_at(root, path.as_bytes()).map_err(fail()),
        Kind::Dir | Kind::Other => Ok(()),
        Kind::Symlink => {
            let target = fs::read_link(&host).map_err(PlainError::host(&host))?;
            let target = target.as_os_str().as_bytes();
            if old.is_some() {
                if view.read_link_at(root, path.as_bytes()).map_err(fail())? == target {
                    return Ok(());
                }
                view.unlink_at(root, path.as_bytes()).map_err(fail())?;
            }
            view.symlink_at(target, root, path.as_bytes()).map_err(fail())
        }
        Kind::File => {
            if let Some(first) = links.get(&new.ino) {
                if same_file(view, root, first, path) {
                    return Ok(());
                }
                if old.is_some() {
                    view.unlink_at(root, path.as_bytes()).map_err(fail())?;
                }
                return view
                    .link_at(root, first.as_bytes(), false, root, path.as_bytes())
                    .map_err(fail());
            }
            let mut from = File::open(&host).map_err(PlainError::host(&host))?;
            let same = old.is_some()
                && hash_host(&mut from, &host)? == hash_view(&open_file(view, root, path)?, path)?;
            if !same {
                // A file that came under another inode is another file: its old names keep theirs.
                if old.is_some_and(|old| old.ino != new.ino) {
                    view.unlink_at(root, path.as_bytes()).map_err(fail())?;
                }
                let from = File::open(&host).map_err(PlainError::host(&host))?;
                write(from, &host, path, view, root)?;
            }
            take_meta(dir, path, view, root)
        }
    }
}

fn same_file(view: &View, root: &DirHandle, a: &RelPath, b: &RelPath) -> bool {
    let ino = |p: &RelPath| view.stat_at(root, p.as_bytes(), false).map(|m| m.ino);
    matches!((ino(a), ino(b)), (Ok(a), Ok(b)) if a == b)
}

fn write(
    mut from: File,
    host: &Path,
    path: &RelPath,
    view: &View,
    root: &DirHandle,
) -> Result<(), PlainError> {
    let how = OpenOptions { write: true, create: true, truncate: true, ..OpenOptions::default() };
    let to = match view.open_at(root, path.as_bytes(), &how).map_err(PlainError::view(path))? {
        Handle::File(file) => file,
        Handle::Dir(_) => return Err(PlainError::view(path)(FsError::IsDirectory)),
    };
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        let n = from.read(&mut buffer).map_err(PlainError::host(host))?;
        if n == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..n];
        while !rest.is_empty() {
            let written = to.write_at(rest, at).map_err(PlainError::view(path))?;
            at += written as u64;
            rest = &rest[written..];
        }
    }
}

/// Gives the view's file the mode and modification time that lie in the directory, where they
/// differ.
fn take_meta(dir: &Path, path: &RelPath, view: &View, root: &DirHandle) -> Result<(), PlainError> {
    let host = dir.join(path.to_path());
    let meta = fs::symlink_metadata(&host).map_err(PlainError::host(&host))?;
    let shown = view.stat_at(root, path.as_bytes(), false).map_err(PlainError::view(path))?;
    let mode = meta.mode() & 0o7777;
    if shown.mode != mode {
        view.set_mode_at(root, path.as_bytes(), false, mode).map_err(PlainError::view(path))?;
    }
    let mtime = Time { secs: meta.mtime(), nanos: u32::try_from(meta.mtime_nsec()).unwrap_or(0) };
    if shown.mtime != mtime {
        view.set_times_at(root, path.as_bytes(), false, SetTime::Keep, SetTime::At(mtime))
            .map_err(PlainError::view(path))?;
    }
    Ok(())
}

fn hash_host(file: &mut File, host: &Path) -> Result<[u8; 32], PlainError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).map_err(PlainError::host(host))? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn hash_view(file: &FileHandle, path: &RelPath) -> Result<[u8; 32], PlainError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at).map_err(PlainError::view(path))? {
            0 => return Ok(hash.finalize().into()),
            n => {
                hash.update(&buffer[..n]);
                at += n as u64;
            }
        }
    }
}
