//! Writing into a session what a guest changed in its copy: found by inode, size and change
//! time, and for files confirmed by SHA-256.

use std::collections::{BTreeMap, HashMap, HashSet};
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

/// Makes the view show what lies in `dir`, touching only what differs from `known`. What was
/// moved there is moved in the view: it is not copied, and a link whose target could not be
/// made anew (an absolute one of the base) keeps it.
pub(super) fn take_back(
    dir: &Path,
    known: &Known,
    view: &View,
    root: &DirHandle,
) -> Result<(), PlainError> {
    let now = look(dir)?;
    let mut taking = Taking { dir, view, root, names: HashMap::new(), done: HashSet::new() };
    for (path, new) in now.iter().filter(|(_, new)| new.kind != Kind::Dir) {
        if known.get(path).is_some_and(|old| (old.kind, old.ino) == (new.kind, new.ino)) {
            taking.names.entry(new.ino).or_insert_with(|| path.clone());
        }
    }
    let aside = Aside::fill(known, &now, &mut taking)?;
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
    for (path, new) in &now {
        let old = known.get(path).filter(|old| old.kind == new.kind);
        if old != Some(new) {
            taking.take(path, new, old)?;
        }
    }
    // Again deepest first, because what was made in a directory moved its times.
    for (path, new) in now.iter().rev().filter(|(_, new)| new.kind == Kind::Dir) {
        if known.get(path) != Some(new) {
            take_meta(dir, path, view, root)?;
        }
    }
    aside.clear(view, root)
}

/// A directory of the view, there only as long as the work is taken back, with a name for each
/// file and link that lost all its old ones.
struct Aside {
    at: RelPath,
    held: Vec<RelPath>,
}

impl Aside {
    fn fill(
        known: &Known,
        now: &BTreeMap<RelPath, Stamp>,
        taking: &mut Taking<'_>,
    ) -> Result<Self, PlainError> {
        let files = |kind| matches!(kind, Kind::File | Kind::Symlink);
        let was: HashMap<_, _> = known
            .iter()
            .filter(|(_, old)| files(old.kind))
            .map(|(path, old)| ((old.ino, old.kind), path))
            .collect();
        let (view, root) = (taking.view, taking.root);
        let mut aside = Self { at: unused(known, now), held: Vec::new() };
        for new in now.values().filter(|new| files(new.kind)) {
            if taking.names.contains_key(&new.ino) {
                continue;
            }
            let Some(old) = was.get(&(new.ino, new.kind)) else { continue };
            if aside.held.is_empty() {
                match view.mkdir_at(root, aside.at.as_bytes()) {
                    Ok(()) => {}
                    // Then what was moved is made anew.
                    Err(FsError::Access | FsError::ReadOnly) => return Ok(aside),
                    Err(e) => return Err(PlainError::view(&aside.at)(e)),
                }
            }
            let name = aside.at.join(aside.held.len().to_string().as_bytes());
            view.link_at(root, old.as_bytes(), false, root, name.as_bytes())
                .map_err(PlainError::view(old))?;
            aside.held.push(name.clone());
            taking.names.insert(new.ino, name);
        }
        Ok(aside)
    }

    fn clear(self, view: &View, root: &DirHandle) -> Result<(), PlainError> {
        for name in &self.held {
            view.unlink_at(root, name.as_bytes()).map_err(PlainError::view(name))?;
        }
        match self.held.is_empty() {
            true => Ok(()),
            false => view.rmdir_at(root, self.at.as_bytes()).map_err(PlainError::view(&self.at)),
        }
    }
}

/// A name that neither the session nor the guest's directory has.
fn unused(known: &Known, now: &BTreeMap<RelPath, Stamp>) -> RelPath {
    let mut n = 0_u64;
    loop {
        let name = RelPath::root().join(format!(".taken-back-{n}").as_bytes());
        if !known.contains_key(&name) && !now.contains_key(&name) {
            return name;
        }
        n += 1;
    }
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

struct Taking<'a> {
    dir: &'a Path,
    view: &'a View,
    root: &'a DirHandle,
    /// A name in the view of what has this inode in the directory.
    names: HashMap<u64, RelPath>,
    /// Inodes whose content is taken: their other names are links.
    done: HashSet<u64>,
}

impl Taking<'_> {
    fn take(&mut self, path: &RelPath, new: &Stamp, old: Option<&Stamp>) -> Result<(), PlainError> {
        match new.kind {
            Kind::Dir if old.is_none() => {
                self.view.mkdir_at(self.root, path.as_bytes()).map_err(PlainError::view(path))
            }
            Kind::Dir | Kind::Other => Ok(()),
            Kind::File => self.take_file(path, new, old),
            Kind::Symlink => self.take_link(path, new, old),
        }
    }

    fn take_file(
        &mut self,
        path: &RelPath,
        new: &Stamp,
        old: Option<&Stamp>,
    ) -> Result<(), PlainError> {
        let named = self.name(path, new, old)?;
        if !self.done.insert(new.ino) {
            return Ok(());
        }
        let (view, root) = (self.view, self.root);
        let host = self.dir.join(path.to_path());
        // Content that came back under another inode is no change, unless other names are to
        // keep the old one.
        let compare = match old {
            _ if named => true,
            Some(_) => view.stat_at(root, path.as_bytes(), false).is_ok_and(|m| m.nlink == 1),
            None => false,
        };
        let open = || File::open(&host).map_err(PlainError::host(&host));
        let same = compare
            && hash_host(&mut open()?, &host)? == hash_view(&open_file(view, root, path)?, path)?;
        if !same {
            if !named && old.is_some() {
                view.unlink_at(root, path.as_bytes()).map_err(PlainError::view(path))?;
            }
            write(open()?, &host, path, view, root)?;
        }
        self.names.entry(new.ino).or_insert_with(|| path.clone());
        take_meta(self.dir, path, view, root)
    }

    fn take_link(
        &mut self,
        path: &RelPath,
        new: &Stamp,
        old: Option<&Stamp>,
    ) -> Result<(), PlainError> {
        let named = self.name(path, new, old)?;
        if !self.done.insert(new.ino) {
            return Ok(());
        }
        let (view, root) = (self.view, self.root);
        let host = self.dir.join(path.to_path());
        let target = fs::read_link(&host).map_err(PlainError::host(&host))?;
        let target = target.as_os_str().as_bytes();
        let there = named || old.is_some();
        if named
            && view.read_link_at(root, path.as_bytes()).map_err(PlainError::view(path))? == target
        {
            return Ok(());
        }
        if there {
            view.unlink_at(root, path.as_bytes()).map_err(PlainError::view(path))?;
        }
        self.names.insert(new.ino, path.clone());
        view.symlink_at(target, root, path.as_bytes()).map_err(PlainError::view(path))
    }

    /// Gives `path` to what has its inode, where the view has a name of that. `false`: it has
    /// none, and what is there is another file.
    fn name(
        &mut self,
        path: &RelPath,
        new: &Stamp,
        old: Option<&Stamp>,
    ) -> Result<bool, PlainError> {
        let (view, root) = (self.view, self.root);
        let Some(first) = self.names.get(&new.ino) else { return Ok(false) };
        if first == path || same_file(view, root, first, path) {
            return Ok(true);
        }
        if old.is_some() {
            view.unlink_at(root, path.as_bytes()).map_err(PlainError::view(path))?;
        }
        view.link_at(root, first.as_bytes(), false, root, path.as_bytes())
            .map_err(PlainError::view(path))?;
        Ok(true)
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
