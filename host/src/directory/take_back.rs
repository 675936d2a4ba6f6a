//! Making in a session what differs in a directory: found by stamps, and for files confirmed by
//! their content.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::Path;

use brio_session::{
    DirHandle, DirLower, FsError, Handle, Kind, Lower, Meta, OpenOptions, RelPath, SetTime, View,
};

use super::listing::{Identity, open_file};
use super::stamp::{Known, Stamp, look};
use super::{DirectoryError, Watch};

/// A directory, and the session that is to become it.
pub(crate) struct Sides<'a> {
    pub(crate) dir: &'a DirLower,
    /// The directory's path, for messages.
    pub(crate) shown: &'a Path,
    pub(crate) view: &'a View,
    pub(crate) root: &'a DirHandle,
    pub(crate) watch: &'a Watch,
    /// Take the modification times of directories: they move with their entries, and are changes
    /// of their own once they are told.
    pub(crate) dir_times: bool,
}

/// Makes the view show what lies in the directory, touching only what differs between `known`
/// and `now`. What was moved there is moved in the view: it is not copied. Returns the paths
/// that were touched.
pub(crate) fn take_back(
    sides: &Sides<'_>,
    known: &Known,
    now: &Known,
) -> Result<BTreeSet<RelPath>, DirectoryError> {
    let mut taking = Taking {
        sides,
        names: HashMap::new(),
        done: HashSet::new(),
        touched: BTreeSet::new(),
        entered: BTreeSet::new(),
        closed_root: None,
    };
    for (path, new) in now.iter().filter(|(_, new)| new.kind != Kind::Dir) {
        if known.get(path).is_some_and(|old| (old.kind, old.ino) == (new.kind, new.ino)) {
            taking.names.entry(new.ino).or_insert_with(|| path.clone());
        }
    }
    let aside = Aside::fill(known, now, &mut taking)?;
    // Deepest first: a directory is empty before it goes.
    for (path, old) in known.iter().rev() {
        if now.get(path).is_none_or(|new| new.kind != old.kind) {
            taking.remove(path, old.kind)?;
        }
    }
    for (path, new) in now {
        let old = known.get(path).filter(|old| old.kind == new.kind);
        if old != Some(new) {
            sides.watch.go_on()?;
            taking.take(path, new, old)?;
        }
    }
    taking.join(now)?;
    aside.clear(&mut taking)?;
    // Again deepest first, because what was made in a directory moved its times.
    for (path, new) in now.iter().rev().filter(|(_, new)| new.kind == Kind::Dir) {
        if known.get(path) != Some(new) || taking.entered.contains(path) {
            taking.take_meta(path, new)?;
        }
    }
    taking.close_root()?;
    Ok(taking.touched)
}

/// Whether nothing in the directory changed since it was looked at.
pub(super) fn still(dir: &DirLower, shown: &Path, before: &Known) -> Result<(), DirectoryError> {
    let after = look(dir, shown)?.known;
    let paths = before.keys().chain(after.keys());
    match paths.filter(|path| before.get(*path) != after.get(*path)).min() {
        None => Ok(()),
        Some(path) => Err(DirectoryError::Changing { path: shown.join(path.to_path()) }),
    }
}

/// A directory of the view, there only as long as the work is taken back, with a name for each
/// file and link that lost all its old ones.
struct Aside {
    at: RelPath,
    held: Vec<RelPath>,
}

impl Aside {
    fn fill(known: &Known, now: &Known, taking: &mut Taking<'_>) -> Result<Self, DirectoryError> {
        let files = |kind| matches!(kind, Kind::File | Kind::Symlink);
        let was: HashMap<_, _> = known
            .iter()
            .filter(|(_, old)| files(old.kind))
            .map(|(path, old)| ((old.ino, old.kind), path))
            .collect();
        let (view, root) = (taking.sides.view, taking.sides.root);
        let mut aside = Self { at: unused(known, now), held: Vec::new() };
        for new in now.values().filter(|new| files(new.kind)) {
            if taking.names.contains_key(&new.ino) {
                continue;
            }
            let Some(old) = was.get(&(new.ino, new.kind)) else { continue };
            if aside.held.is_empty() {
                taking.enter(&RelPath::root())?;
                match view.mkdir_at(root, aside.at.as_bytes()) {
                    Ok(()) => {}
                    // Then what was moved is made anew.
                    Err(FsError::Access | FsError::ReadOnly) => return Ok(aside),
                    Err(e) => return Err(DirectoryError::view(&aside.at)(e)),
                }
            }
            let name = aside.at.join(aside.held.len().to_string().as_bytes());
            view.link_at(root, old.as_bytes(), false, root, name.as_bytes())
                .map_err(DirectoryError::view(old))?;
            aside.held.push(name.clone());
            taking.names.insert(new.ino, name);
        }
        Ok(aside)
    }

    fn clear(self, taking: &mut Taking<'_>) -> Result<(), DirectoryError> {
        let (view, root) = (taking.sides.view, taking.sides.root);
        for name in &self.held {
            view.unlink_at(root, name.as_bytes()).map_err(DirectoryError::view(name))?;
        }
        match self.held.is_empty() {
            true => Ok(()),
            false => {
                view.rmdir_at(root, self.at.as_bytes()).map_err(DirectoryError::view(&self.at))
            }
        }
    }
}

/// A name that neither the session nor the directory has.
fn unused(known: &Known, now: &Known) -> RelPath {
    let mut n = 0_u64;
    loop {
        let name = RelPath::root().join(format!(".taken-back-{n}").as_bytes());
        if !known.contains_key(&name) && !now.contains_key(&name) {
            return name;
        }
        n += 1;
    }
}

struct Taking<'a> {
    sides: &'a Sides<'a>,
    /// A name in the view of what has this inode in the directory.
    names: HashMap<u64, RelPath>,
    /// Inodes whose content is taken: their other names are links.
    done: HashSet<u64>,
    touched: BTreeSet<RelPath>,
    /// Directories of the view in which something was changed.
    entered: BTreeSet<RelPath>,
    /// The mode of the top, if nothing could be changed in it.
    closed_root: Option<u32>,
}

impl Taking<'_> {
    fn take(
        &mut self,
        path: &RelPath,
        new: &Stamp,
        old: Option<&Stamp>,
    ) -> Result<(), DirectoryError> {
        match new.kind {
            Kind::Dir if old.is_none() => {
                self.change(path)?;
                let (view, root) = (self.sides.view, self.sides.root);
                view.mkdir_at(root, path.as_bytes()).map_err(DirectoryError::view(path))
            }
            Kind::Dir | Kind::Other => Ok(()),
            Kind::File | Kind::Symlink => self.take_entry(path, new, old),
        }
    }

    /// A file or a link: gets the name, and once for all its names what it holds.
    fn take_entry(
        &mut self,
        path: &RelPath,
        new: &Stamp,
        old: Option<&Stamp>,
    ) -> Result<(), DirectoryError> {
        let named = self.name(path, new, old)?;
        if !self.done.insert(new.ino) {
            return Ok(());
        }
        match new.kind {
            Kind::Symlink => self.take_target(path, named, old)?,
            _ => self.take_content(path, new, named, old)?,
        }
        // This one is right now; whether its other names follow is looked at later.
        self.names.insert(new.ino, path.clone());
        match new.kind {
            Kind::File => self.take_meta(path, new),
            _ => Ok(()),
        }
    }

    /// Gives all names of what was taken to one file. Names that the base links are names of
    /// their own to a view: what is done to one leaves the others behind.
    fn join(&mut self, now: &Known) -> Result<(), DirectoryError> {
        let Sides { view, root, .. } = *self.sides;
        for (path, new) in now.iter().filter(|(_, new)| new.kind != Kind::Dir) {
            let Some(first) = self.names.get(&new.ino).filter(|_| self.done.contains(&new.ino))
            else {
                continue;
            };
            if first != path && !same_file(view, root, first, path) {
                let first = first.clone();
                self.unlink(path)?;
                self.link(&first, path)?;
            }
        }
        Ok(())
    }

    fn link(&mut self, first: &RelPath, path: &RelPath) -> Result<(), DirectoryError> {
        self.change(path)?;
        let Sides { view, root, .. } = *self.sides;
        view.link_at(root, first.as_bytes(), false, root, path.as_bytes())
            .map_err(DirectoryError::view(path))
    }

    fn take_content(
        &mut self,
        path: &RelPath,
        new: &Stamp,
        named: bool,
        old: Option<&Stamp>,
    ) -> Result<(), DirectoryError> {
        let Sides { dir, shown, view, root, .. } = *self.sides;
        // Content that came back under another inode is no change, unless other names are to
        // keep the old one.
        let compare = match old {
            _ if named => true,
            Some(_) => view.stat_at(root, path.as_bytes(), false).is_ok_and(|m| m.nlink == 1),
            None => false,
        };
        if compare && same_content(dir, shown, path, new, view, root)? {
            return Ok(());
        }
        if !named && old.is_some() {
            self.unlink(path)?;
        }
        if !named {
            self.change(path)?;
        }
        let from = new.open(dir, path, shown)?;
        self.write(&from, path)?;
        new.still(&from, &shown.join(path.to_path()))
    }

    fn take_target(
        &mut self,
        path: &RelPath,
        named: bool,
        old: Option<&Stamp>,
    ) -> Result<(), DirectoryError> {
        let Sides { dir, shown, view, root, .. } = *self.sides;
        let host = shown.join(path.to_path());
        let target = dir.read_link(path).map_err(DirectoryError::host(&host))?;
        let there = named || old.is_some();
        if named
            && view.read_link_at(root, path.as_bytes()).map_err(DirectoryError::view(path))?
                == target
        {
            return Ok(());
        }
        if there {
            self.unlink(path)?;
        }
        self.change(path)?;
        view.import_symlink_at(&target, root, path.as_bytes()).map_err(DirectoryError::view(path))
    }

    /// Gives `path` to what has its inode, where the view has a name of that. `false`: it has
    /// none, and what is there is another file.
    fn name(
        &mut self,
        path: &RelPath,
        new: &Stamp,
        old: Option<&Stamp>,
    ) -> Result<bool, DirectoryError> {
        let Sides { view, root, .. } = *self.sides;
        let Some(first) = self.names.get(&new.ino).cloned() else { return Ok(false) };
        if first == *path || same_file(view, root, &first, path) {
            return Ok(true);
        }
        if old.is_some() {
            self.unlink(path)?;
        }
        self.link(&first, path)?;
        Ok(true)
    }

    fn remove(&mut self, path: &RelPath, kind: Kind) -> Result<(), DirectoryError> {
        if kind != Kind::Dir {
            return self.unlink(path);
        }
        self.change(path)?;
        let (view, root) = (self.sides.view, self.sides.root);
        view.rmdir_at(root, path.as_bytes()).map_err(DirectoryError::view(path))
    }

    fn unlink(&mut self, path: &RelPath) -> Result<(), DirectoryError> {
        self.change(path)?;
        let (view, root) = (self.sides.view, self.sides.root);
        view.unlink_at(root, path.as_bytes()).map_err(DirectoryError::view(path))
    }

    fn write(&mut self, from: &File, path: &RelPath) -> Result<(), DirectoryError> {
        let Sides { view, root, shown, .. } = *self.sides;
        self.touched.insert(path.clone());
        let fail = DirectoryError::view;
        let how = OpenOptions { write: true, create: true, ..OpenOptions::default() };
        let opened = match view.open_at(root, path.as_bytes(), &how) {
            // A view lets nobody write to a read-only file; the mode is taken afterwards.
            Err(FsError::Access) => {
                let mode = self.meta(path)?.mode | 0o600;
                view.set_mode_at(root, path.as_bytes(), false, mode).map_err(fail(path))?;
                view.open_at(root, path.as_bytes(), &how)
            }
            opened => opened,
        };
        match opened {
            Ok(Handle::File(to)) => {
                let from =
                    from.try_clone().map_err(DirectoryError::host(&shown.join(path.to_path())))?;
                to.copy_from(&from.into()).map_err(fail(path))
            }
            Ok(Handle::Dir(_)) => Err(fail(path)(FsError::IsDirectory)),
            Err(e) => Err(fail(path)(e)),
        }
    }

    fn meta(&self, path: &RelPath) -> Result<Meta, DirectoryError> {
        let found = self.sides.view.stat_at(self.sides.root, in_view(path), false);
        found.map_err(DirectoryError::view(path))
    }

    /// Before something is made or removed at a path.
    fn change(&mut self, path: &RelPath) -> Result<(), DirectoryError> {
        self.touched.insert(path.clone());
        match path.split() {
            Some((parent, _)) => self.enter(&parent),
            None => Ok(()),
        }
    }

    /// A view lets nobody change a read-only directory; its mode is taken at the end.
    fn enter(&mut self, dir: &RelPath) -> Result<(), DirectoryError> {
        if !self.entered.insert(dir.clone()) {
            return Ok(());
        }
        let mode = self.meta(dir)?.mode;
        if mode & 0o222 != 0 {
            return Ok(());
        }
        if dir.is_root() {
            self.closed_root = Some(mode);
        }
        let (view, root) = (self.sides.view, self.sides.root);
        view.set_mode_at(root, in_view(dir), false, mode | 0o200).map_err(DirectoryError::view(dir))
    }

    /// The top is no name of the directory's: its mode is the view's own.
    fn close_root(&self) -> Result<(), DirectoryError> {
        let Some(mode) = self.closed_root else { return Ok(()) };
        let (view, root) = (self.sides.view, self.sides.root);
        let top = RelPath::root();
        view.set_mode_at(root, in_view(&top), false, mode).map_err(DirectoryError::view(&top))
    }

    /// Gives the view's file the mode and modification time that it has in the directory, where
    /// they differ.
    fn take_meta(&mut self, path: &RelPath, new: &Stamp) -> Result<(), DirectoryError> {
        let (view, root) = (self.sides.view, self.sides.root);
        let shown = self.meta(path)?;
        if shown.mode != new.mode {
            self.touched.insert(path.clone());
            view.set_mode_at(root, path.as_bytes(), false, new.mode)
                .map_err(DirectoryError::view(path))?;
        }
        if shown.mtime != new.mtime && (new.kind != Kind::Dir || self.sides.dir_times) {
            if new.kind != Kind::Dir {
                self.touched.insert(path.clone());
            }
            view.set_times_at(root, path.as_bytes(), false, SetTime::Keep, SetTime::At(new.mtime))
                .map_err(DirectoryError::view(path))?;
        }
        Ok(())
    }
}

/// A path as a view takes it.
fn in_view(path: &RelPath) -> &[u8] {
    if path.is_root() { b"." } else { path.as_bytes() }
}

fn same_file(view: &View, root: &DirHandle, a: &RelPath, b: &RelPath) -> bool {
    let of = |p: &RelPath| view.stat_at(root, p.as_bytes(), false).map(|m| Identity::of(&m));
    matches!((of(a), of(b)), (Ok(a), Ok(b)) if a == b)
}

/// Whether the file that has this stamp holds what the view's file does.
pub(super) fn same_content(
    dir: &DirLower,
    shown: &Path,
    path: &RelPath,
    new: &Stamp,
    view: &View,
    root: &DirHandle,
) -> Result<bool, DirectoryError> {
    let meta = view.stat_at(root, path.as_bytes(), false).map_err(DirectoryError::view(path))?;
    if meta.size != new.size {
        return Ok(false);
    }
    let host = shown.join(path.to_path());
    let theirs = new.open(dir, path, shown)?;
    let ours = open_file(view, root, path)?;
    let most = usize::try_from(new.size).unwrap_or(usize::MAX).clamp(1, 256 * 1024);
    let (mut a, mut b) = (vec![0; most], vec![0; most]);
    let mut at = 0;
    loop {
        let n = ours.read_at(&mut a, at).map_err(DirectoryError::view(path))?;
        let m = read_full(&theirs, &mut b, at).map_err(DirectoryError::host(&host))?;
        if a[..n] != b[..m] {
            new.still(&theirs, &host)?;
            return Ok(false);
        }
        if n == 0 {
            new.still(&theirs, &host)?;
            return Ok(true);
        }
        at += n as u64;
    }
}

fn read_full(file: &File, buf: &mut [u8], at: u64) -> std::io::Result<usize> {
    use std::os::unix::fs::FileExt;
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], at + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}
