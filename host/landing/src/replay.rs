//! Making a session's changes again in a fresh layer, with a resolution for each path in conflict.

use std::collections::{BTreeMap, HashSet};

use brio_session::{
    Change, ChangeKind, Content, DirHandle, FsError, FsResult, Handle, Kind, Meta, OpenOptions,
    RelPath, SetTime, Source, View,
};

use crate::RefusedWhy;
use crate::merge::Resolution;
use crate::rebase::Resolutions;
use crate::versions::{Versions, name, stat};

/// Why a replay did not come to its end.
#[derive(Debug)]
pub(crate) enum Stuck {
    /// What lies below is not what the resolutions were made for.
    Moved,
    /// The view answered this.
    View(RelPath, FsError),
    /// Something that a landing does not make.
    Refused(RelPath, RefusedWhy),
}

/// One replay.
pub(crate) struct Replay<'a> {
    new: &'a View,
    root: DirHandle,
    versions: &'a Versions<'a>,
    resolutions: &'a Resolutions,
    /// Names that hold our content: what was another name of one becomes one again.
    placed: HashSet<RelPath>,
    /// Directories that were made writable for us, with the mode that they had.
    opened: Vec<(RelPath, u32)>,
    /// What directories get when they are full: mode and explicit times.
    dirs: BTreeMap<RelPath, u32>,
}

type Done = Result<(), Stuck>;

impl<'a> Replay<'a> {
    pub(crate) fn new(
        new: &'a View,
        versions: &'a Versions<'a>,
        resolutions: &'a Resolutions,
    ) -> Self {
        Self {
            new,
            root: new.root(),
            versions,
            resolutions,
            placed: HashSet::new(),
            opened: Vec::new(),
            dirs: BTreeMap::new(),
        }
    }

    /// What goes, deepest first; then what comes, a directory before its entries; then what
    /// directories get at last.
    pub(crate) fn run(mut self) -> Done {
        let versions = self.versions;
        for (path, how) in self.resolutions.iter().rev() {
            // What others put into a directory that goes.
            if *how == Resolution::Ours
                && versions.change(path).is_none()
                && self.at(versions.ours, path)?.is_none()
            {
                self.clear(path)?;
            }
        }
        for c in versions.set.changes.iter().rev() {
            self.removal(c)?;
        }
        for c in &versions.set.changes {
            self.put(c)?;
        }
        self.close()
    }

    fn at(&self, view: &View, path: &RelPath) -> Result<Option<Meta>, Stuck> {
        stat(view, path).map_err(|e| Stuck::View(path.clone(), e))
    }

    fn removal(&mut self, c: &Change) -> Done {
        let was_dir = c.before.is_some_and(|m| m.kind == Kind::Dir);
        let goes = c.after.is_none_or(|m| was_dir && m.kind != Kind::Dir);
        match self.resolutions.get(&c.path) {
            None if goes => {}
            Some(Resolution::Ours) if goes => return self.clear(&c.path),
            Some(Resolution::Base) if self.versions_base(&c.path)?.is_none() => {
                return self.clear(&c.path);
            }
            _ => return Ok(()),
        }
        let Some(now) = self.at(self.new, &c.path)? else { return Ok(()) };
        if now.kind == Kind::Dir {
            match self.try_in(&c.path, |r| r.new.rmdir_at(&r.root, c.path.as_bytes())) {
                // It holds what others put there, and theirs was chosen.
                Err(Stuck::View(_, FsError::NotEmpty)) if self.holds_theirs(&c.path) => Ok(()),
                Err(Stuck::View(_, FsError::NotEmpty)) => Err(Stuck::Moved),
                r => r,
            }
        } else {
            self.try_in(&c.path, |r| r.new.unlink_at(&r.root, c.path.as_bytes()))
        }
    }

    /// Whether what stays below a directory was chosen to.
    fn holds_theirs(&self, dir: &RelPath) -> bool {
        let below = self.resolutions.range(dir.clone()..);
        below
            .filter(|(p, _)| p.starts_with(dir) && *p != dir)
            .any(|(_, how)| !matches!(how, Resolution::Ours))
    }

    fn versions_base(&self, path: &RelPath) -> Result<Option<crate::merge::Version>, Stuck> {
        let fail = |e| Stuck::View(path.clone(), e);
        Ok(self.versions.case(path).map_err(fail)?.base)
    }

    /// Removes whatever is at a path, with all below it.
    fn clear(&mut self, path: &RelPath) -> Done {
        let Some(now) = self.at(self.new, path)? else { return Ok(()) };
        if now.kind != Kind::Dir {
            return self.try_in(path, |r| r.new.unlink_at(&r.root, path.as_bytes()));
        }
        let how = OpenOptions { read: true, directory: true, ..OpenOptions::default() };
        let fail = |e| Stuck::View(path.clone(), e);
        let entries = match self.new.open_at(&self.root, name(path), &how).map_err(fail)? {
            Handle::Dir(dir) => dir.list().map_err(fail)?,
            Handle::File(_) => return Err(Stuck::Moved),
        };
        for e in entries {
            self.clear(&path.join(&e.name))?;
        }
        self.opened.retain(|(p, _)| p != path);
        self.try_in(path, |r| r.new.rmdir_at(&r.root, path.as_bytes()))
    }

    fn put(&mut self, c: &Change) -> Done {
        let path = &c.path;
        match self.resolutions.get(path) {
            Some(Resolution::Theirs) => Ok(()),
            Some(Resolution::Base) => self.put_base(path),
            Some(text @ Resolution::Text { bytes, mode, .. }) => {
                self.room(path, true)?;
                match &c.hard_link_of {
                    Some(first) if self.resolutions.get(first) == Some(text) => {
                        return self.link(first, path);
                    }
                    _ => self.file(path, None, bytes)?,
                }
                self.mode(path, *mode)
            }
            Some(Resolution::Mixed { ours: false, mode }) => {
                if self.at(self.new, path)?.is_none() {
                    return Err(Stuck::Moved);
                }
                self.late(path, *mode, c.kind == ChangeKind::MetaOnly)
            }
            Some(Resolution::Mixed { ours: true, mode }) => {
                self.put_ours(c, true)?;
                self.mode(path, *mode)
            }
            Some(Resolution::Ours) => self.put_ours(c, true),
            None if c.kind == ChangeKind::MetaOnly => match (self.at(self.new, path)?, c.after) {
                (Some(now), Some(after)) if now.kind == after.kind => {
                    self.late(path, after.mode, true)
                }
                _ => Err(Stuck::Moved),
            },
            None => self.put_ours(c, false),
        }
    }

    /// Puts what the session has at a path. `force`: whatever is there.
    fn put_ours(&mut self, c: &Change, force: bool) -> Done {
        let (path, Some(after)) = (&c.path, c.after) else { return Ok(()) };
        let now = self.at(self.new, path)?;
        if after.kind == Kind::Dir && now.is_some_and(|m| m.kind == Kind::Dir) {
            // Made by both, it stays as it is.
            if force || c.kind != ChangeKind::Added {
                self.late(path, after.mode, true)?;
            }
            return Ok(());
        }
        self.room(path, force)?;
        if let Some(first) = c.hard_link_of.as_ref().filter(|p| self.placed.contains(p)) {
            return self.link(first, path);
        }
        let fail = |e| Stuck::View(path.clone(), e);
        match self.versions.ours.change_content(path) {
            Err(FsError::NotSupported) => {
                return Err(Stuck::Refused(path.clone(), RefusedWhy::Kind));
            }
            Err(e) => return Err(fail(e)),
            Ok(Content::Dir) => {
                self.try_in(path, |r| r.new.mkdir_at(&r.root, path.as_bytes()))?;
            }
            Ok(Content::Symlink(target)) => {
                let link = |r: &Self| r.new.import_symlink_at(&target, &r.root, path.as_bytes());
                self.try_in(path, link)?;
            }
            Ok(content @ (Content::Own { .. } | Content::Borrowed(_))) => {
                self.file(path, Some(&content.source().map_err(fail)?), &[])?;
            }
        }
        self.placed.insert(path.clone());
        self.late(path, after.mode, true)
    }

    /// Puts back what was there before either change.
    fn put_base(&mut self, path: &RelPath) -> Done {
        let Some(base) = self.versions_base(path)? else { return Ok(()) };
        let fail = |e| Stuck::View(path.clone(), e);
        let is_dir = |m: Meta| m.kind == Kind::Dir;
        if base.kind() == Kind::Dir && self.at(self.new, path)?.is_some_and(is_dir) {
            return self.late(path, base.mode, false);
        }
        self.room(path, true)?;
        match &base.content {
            crate::merge::Content::Dir => {
                self.try_in(path, |r| r.new.mkdir_at(&r.root, path.as_bytes()))?;
            }
            crate::merge::Content::Symlink(target) => {
                let link = |r: &Self| r.new.import_symlink_at(target, &r.root, path.as_bytes());
                return self.try_in(path, link);
            }
            crate::merge::Content::Other => {
                return Err(Stuck::Refused(path.clone(), RefusedWhy::Kind));
            }
            crate::merge::Content::File { .. } => match self.versions.base_file(path) {
                Ok(Some(from)) => self.file(path, Some(&from), &[])?,
                Ok(None) => return Err(Stuck::Moved),
                Err(e) => return Err(fail(e)),
            },
        }
        self.late(path, base.mode, false)
    }

    /// Makes room for something at a path: its directory is there, its name is free.
    fn room(&mut self, path: &RelPath, force: bool) -> Done {
        for up in path.ancestors().skip(1) {
            let now = self.at(self.new, &up)?;
            if now.is_some_and(|m| m.kind == Kind::Dir) {
                continue;
            }
            let forced = force || self.resolutions.get(&up) == Some(&Resolution::Ours);
            if !forced && !self.under_ours(path) {
                return Err(Stuck::Moved);
            }
            self.clear(&up)?;
            self.try_in(&up, |r| r.new.mkdir_at(&r.root, up.as_bytes()))?;
            if let Some(was) = self.at(self.versions.ours, &up)? {
                self.dirs.insert(up, was.mode);
            }
        }
        match self.at(self.new, path)? {
            None => Ok(()),
            Some(m) if m.kind == Kind::Dir && !force => Err(Stuck::Moved),
            Some(_) => self.clear(path),
        }
    }

    /// Whether a directory above a path is to be as the session has it.
    fn under_ours(&self, path: &RelPath) -> bool {
        path.ancestors().any(|up| self.resolutions.get(&up) == Some(&Resolution::Ours))
    }

    /// Makes a file: from another, or with these bytes.
    fn file(&mut self, path: &RelPath, from: Option<&Source>, bytes: &[u8]) -> Done {
        let how =
            OpenOptions { write: true, create: true, exclusive: true, ..OpenOptions::default() };
        self.try_in(path, |r| {
            let Handle::File(file) = r.new.open_at(&r.root, path.as_bytes(), &how)? else {
                return Err(FsError::IsDirectory);
            };
            match from {
                Some(from) => file.copy_from(from),
                None => file.write_at(bytes, 0).map(drop),
            }
        })
    }

    fn link(&mut self, first: &RelPath, path: &RelPath) -> Done {
        let (first, at) = (first.as_bytes(), path.as_bytes());
        self.try_in(path, |r| r.new.link_at(&r.root, first, false, &r.root, at))
    }

    /// Does something to a name, though its directory be read-only.
    fn try_in(&mut self, path: &RelPath, act: impl Fn(&Self) -> FsResult<()>) -> Done {
        let fail = |e| Stuck::View(path.clone(), e);
        let (parent, _) = path.split().unwrap_or_default();
        if let Some(dir) = self.at(self.new, &parent)?
            && dir.kind == Kind::Dir
            && dir.mode & 0o222 == 0
        {
            self.new
                .set_mode_at(&self.root, name(&parent), false, dir.mode | 0o200)
                .map_err(fail)?;
            self.opened.push((parent, dir.mode));
        }
        act(self).map_err(fail)
    }

    fn mode(&self, path: &RelPath, mode: u32) -> Done {
        let now = self.at(self.new, path)?;
        if now.is_none_or(|m| m.kind == Kind::Symlink || m.mode == mode) {
            return Ok(());
        }
        let set = self.new.set_mode_at(&self.root, name(path), false, mode);
        set.map_err(|e| Stuck::View(path.clone(), e))
    }

    /// A mode, and the session's explicit times if `times`: of a directory, when it is full.
    fn late(&mut self, path: &RelPath, mode: u32, times: bool) -> Done {
        if self.at(self.new, path)?.is_some_and(|m| m.kind == Kind::Dir) {
            self.dirs.insert(path.clone(), mode);
            return Ok(());
        }
        self.mode(path, mode)?;
        if times { self.times(path) } else { Ok(()) }
    }

    fn times(&self, path: &RelPath) -> Done {
        let fail = |e| Stuck::View(path.clone(), e);
        match self.versions.ours.explicit_times(path) {
            Ok(Some((atime, mtime))) => {
                let (a, m) = (SetTime::At(atime), SetTime::At(mtime));
                self.new.set_times_at(&self.root, name(path), false, a, m).map_err(fail)
            }
            Ok(None) | Err(FsError::NotFound) => Ok(()),
            Err(e) => Err(fail(e)),
        }
    }

    fn close(mut self) -> Done {
        for (path, mode) in std::mem::take(&mut self.opened).into_iter().rev() {
            self.mode(&path, mode)?;
        }
        for (path, mode) in std::mem::take(&mut self.dirs).into_iter().rev() {
            self.mode(&path, mode)?;
            self.times(&path)?;
        }
        Ok(())
    }
}
