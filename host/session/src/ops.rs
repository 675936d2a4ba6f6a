//! The operations of a view that name a path.

use crate::handle::DirHandle;
use crate::io::set_file_times;
use crate::promote::{GONE, now};
use crate::resolve::Place;
use crate::sealed::data_name;
use crate::state::State;
use crate::tracked::What;
use crate::tree::{Body, Child, NodeId, Record, Ref};
use crate::{FsError, FsResult, Kind, Meta, Op, RelPath, SetTime, Time, View};

/// How deep a view lets names lie. Whoever walks a tree, here or in the base where it lands, does
/// it by recursion, and by paths.
pub(crate) const DEEPEST: usize = 512;

impl View {
    /// Metadata of what is at `path` below `dir`. `follow`: of a link's target.
    ///
    /// # Errors
    /// As `stat(2)`; `NotPermitted` when the path leads out of `dir`.
    pub fn stat_at(&self, dir: &DirHandle, path: &[u8], follow: bool) -> FsResult<Meta> {
        let state = self.inner.read()?;
        let (at, meta) = dir.resolve(&state, path, follow)?.found()?;
        state.note(&at, What::Metadata)?;
        Ok(meta)
    }

    /// The target of the link at `path`.
    ///
    /// # Errors
    /// As `readlink(2)`: `Invalid` when it is none.
    pub fn read_link_at(&self, dir: &DirHandle, path: &[u8]) -> FsResult<Vec<u8>> {
        let state = self.inner.read()?;
        let (at, _) = dir.resolve(&state, path, false)?.found()?;
        state.stack.read_link_ref(&at)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As `mkdir(2)`; `FileLimit`.
    pub fn mkdir_at(&self, dir: &DirHandle, path: &[u8]) -> FsResult<()> {
        self.make_dir_at(dir, path, crate::NEW_DIR_MODE)
    }

    /// Makes a directory with these permission bits from the start.
    ///
    /// # Errors
    /// As [`mkdir_at`](Self::mkdir_at).
    pub fn make_dir_at(&self, dir: &DirHandle, path: &[u8], mode: u32) -> FsResult<()> {
        self.make(dir, path, true, mode & 0o7777, Body::Dir { lower: None })
    }

    /// Makes a symbolic link. A target that is absolute would mean a path of the host:
    /// `NotPermitted`. One that leads out of the view is kept, and never followed.
    ///
    /// # Errors
    /// As `symlink(2)`; `FileLimit`.
    pub fn symlink_at(&self, target: &[u8], dir: &DirHandle, path: &[u8]) -> FsResult<()> {
        if target.first() == Some(&b'/') {
            return Err(FsError::NotPermitted);
        }
        if target.is_empty() {
            return Err(FsError::NotFound);
        }
        if target.contains(&0) {
            return Err(FsError::Invalid);
        }
        if target.len() > 4095 {
            return Err(FsError::NameTooLong);
        }
        self.make(dir, path, false, 0o777, Body::Symlink { target: target.to_vec() })
    }

    /// As [`symlink_at`](Self::symlink_at), with whatever target a link of the base had: for the
    /// host, which carries over what a session has. No link is followed out of the view.
    ///
    /// # Errors
    /// As [`symlink_at`](Self::symlink_at).
    pub fn import_symlink_at(&self, target: &[u8], dir: &DirHandle, path: &[u8]) -> FsResult<()> {
        if target.is_empty() || target.contains(&0) {
            return Err(FsError::Invalid);
        }
        self.make(dir, path, false, 0o777, Body::Symlink { target: target.to_vec() })
    }

    /// Refuses a new name that would lie too deep, with `below` levels that come along with it.
    pub(crate) fn may_lie(&self, state: &State, place: &Place, below: usize) -> FsResult<()> {
        match state.stack.tree.depth_of(&place.dir) + 1 + below > DEEPEST {
            true => Err(FsError::NameTooLong),
            false => Ok(()),
        }
    }

    pub(crate) fn make(
        &self,
        dir: &DirHandle,
        path: &[u8],
        is_dir: bool,
        mode: u32,
        body: Body,
    ) -> FsResult<()> {
        let _gate = self.inner.admit()?;
        let mut state = self.inner.write()?;
        let place = dir.resolve_name(&state, path)?;
        place.free_name()?;
        if place.must_dir && !is_dir {
            return Err(FsError::NotFound);
        }
        self.writable(place.protected)?;
        self.may_lie(&state, &place, 0)?;
        let dir = self.enter(&mut state, &place)?;
        self.inner.charge_file()?;
        let id = state.stack.tree.next;
        let node = state.fresh(id, mode, body);
        let mut batch = self.first_sight(&state, dir, &place.name)?;
        batch.push(Record::Node { id, node });
        batch.push(Record::Entry {
            dir,
            name: place.name,
            child: Some(Child::Node(id)),
            at: now(),
        });
        state.commit(batch, &self.inner)
    }

    /// Makes another name of a file or link.
    ///
    /// # Errors
    /// As `link(2)`: `NotPermitted` for a directory; `ReadOnly` where either name is, so that
    /// what is read-only cannot be written under another name; `FileLimit`.
    pub fn link_at(
        &self,
        old_dir: &DirHandle,
        old: &[u8],
        follow: bool,
        new_dir: &DirHandle,
        new: &[u8],
    ) -> FsResult<()> {
        let _gate = self.inner.admit()?;
        let mut state = self.inner.write()?;
        let from = old_dir.resolve(&state, old, follow)?;
        let protected = from.protected;
        let to = new_dir.resolve_name(&state, new)?;
        self.writable(protected || to.protected)?;
        let (at, meta) = from.found()?;
        self.link_place(&mut state, &at, meta.kind, to)
    }

    pub(crate) fn link_place(
        &self,
        state: &mut State,
        at: &Ref,
        kind: Kind,
        to: Place,
    ) -> FsResult<()> {
        to.free_name()?;
        if kind == Kind::Dir {
            return Err(FsError::NotPermitted);
        }
        if to.must_dir {
            return Err(FsError::NotFound);
        }
        self.may_lie(state, &to, 0)?;
        let dir = self.enter(state, &to)?;
        self.inner.charge_file()?;
        let id = self.promote(state, at)?;
        let mut batch = self.first_sight(state, dir, &to.name)?;
        batch.push(Record::Entry { dir, name: to.name, child: Some(Child::Node(id)), at: now() });
        state.commit(batch, &self.inner)
    }

    /// Removes a name of a file or link. Open handles keep the file.
    ///
    /// # Errors
    /// As `unlink(2)`: `IsDirectory`.
    pub fn unlink_at(&self, dir: &DirHandle, path: &[u8]) -> FsResult<()> {
        let _gate = self.inner.admit()?;
        self.sight_name(dir, path)?;
        self.remove(dir, path, false)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As `rmdir(2)`: `NotEmpty`, `NotDirectory`.
    pub fn rmdir_at(&self, dir: &DirHandle, path: &[u8]) -> FsResult<()> {
        let _gate = self.inner.admit()?;
        self.remove(dir, path, true)
    }

    fn remove(&self, dir: &DirHandle, path: &[u8], is_dir: bool) -> FsResult<()> {
        let mut state = self.inner.write()?;
        let place = dir.resolve_name(&state, path)?;
        let (at, meta) = place.at.clone().ok_or(FsError::NotFound)?;
        match (is_dir, meta.kind == Kind::Dir) {
            (true, false) => return Err(FsError::NotDirectory),
            (false, true) => return Err(FsError::IsDirectory),
            (false, false) if place.must_dir => return Err(FsError::NotDirectory),
            _ => {}
        }
        if place.name.is_empty() {
            return Err(FsError::Invalid);
        }
        self.writable(place.protected)?;
        if is_dir && !is_empty(&state, &at)? {
            return Err(FsError::NotEmpty);
        }
        let parent = self.enter(&mut state, &place)?;
        let mut batch = Vec::new();
        if let Ref::Lower(p) = &at {
            if self.is_shared(&state, p)? {
                self.promote(&mut state, &at)?;
            } else {
                batch.extend(state.sight(p)?);
            }
        }
        let child = state.absence(parent, &place.name)?;
        batch.push(Record::Entry { dir: parent, name: place.name, child, at: now() });
        state.commit(batch, &self.inner)?;
        if let Ref::Lower(p) = at {
            state.stack.tree.promoted.entry(p).or_insert(GONE);
        }
        Ok(())
    }

    /// Sets the times of what is at `path`.
    ///
    /// # Errors
    /// As `utimensat(2)`.
    pub fn set_times_at(
        &self,
        dir: &DirHandle,
        path: &[u8],
        follow: bool,
        atime: SetTime,
        mtime: SetTime,
    ) -> FsResult<()> {
        let _gate = self.inner.admit()?;
        let mut state = self.inner.write()?;
        let place = dir.resolve(&state, path, follow)?;
        self.writable(place.protected)?;
        let (at, _) = place.found()?;
        self.set_times_of(&mut state, &at, atime, mtime)
    }

    /// Sets the permission bits (`0o7777`) of what is at `path`.
    ///
    /// # Errors
    /// As `chmod(2)`; `NotSupported` for a link.
    pub fn set_mode_at(
        &self,
        dir: &DirHandle,
        path: &[u8],
        follow: bool,
        mode: u32,
    ) -> FsResult<()> {
        let _gate = self.inner.admit()?;
        let mut state = self.inner.write()?;
        let place = dir.resolve(&state, path, follow)?;
        self.writable(place.protected)?;
        let (at, _) = place.found()?;
        self.set_mode_of(&mut state, &at, mode)
    }

    pub(crate) fn set_times_of(
        &self,
        state: &mut State,
        place: &Ref,
        atime: SetTime,
        mtime: SetTime,
    ) -> FsResult<()> {
        if (atime, mtime) == (SetTime::Keep, SetTime::Keep) {
            return Ok(());
        }
        let id = self.promote(state, place)?;
        let before = state.stack.meta(&Ref::Node(id))?;
        let mut node = state.stack.node(id)?.clone();
        node.atime = pick(atime, before.atime)?;
        node.mtime = pick(mtime, before.mtime)?;
        node.times_set = true;
        let door = &self.inner.options.door;
        if let Body::Own { .. } = node.body {
            let mut how = cap_std::fs::OpenOptions::new();
            how.write(true);
            let file = state.stack.dir.open_with(data_name(id), &how)?.into_std();
            door.run(Op::SetTimes, || set_file_times(&file, node.atime, node.mtime))?;
        }
        state.commit(vec![Record::Node { id, node }], &self.inner)
    }

    pub(crate) fn set_mode_of(&self, state: &mut State, place: &Ref, mode: u32) -> FsResult<()> {
        let id = self.promote(state, place)?;
        let mut node = state.stack.node(id)?.clone();
        if let Body::Symlink { .. } = node.body {
            return Err(FsError::NotSupported);
        }
        node.mode = mode & 0o7777;
        state.commit(vec![Record::Node { id, node }], &self.inner)
    }

    /// Whether a lower path that is to lose its name is open or has other names: then it is
    /// a node first, which keeps the rest.
    pub(crate) fn is_shared(&self, state: &State, lower: &RelPath) -> FsResult<bool> {
        Ok(self.inner.is_open(&Ref::Lower(lower.clone()))
            || state.stack.below.names(lower)?.len() > 1)
    }

    /// The node of the directory that an entry is to be changed in.
    pub(crate) fn enter(&self, state: &mut State, place: &Place) -> FsResult<NodeId> {
        let dir = state.stack.meta(&place.dir)?;
        if dir.kind != Kind::Dir {
            return Err(FsError::NotDirectory);
        }
        if dir.mode & 0o222 == 0 {
            return Err(FsError::Access);
        }
        self.promote(state, &place.dir)
    }

    /// Records that the base had nothing under a name that is to be taken.
    pub(crate) fn first_sight(
        &self,
        state: &State,
        dir: NodeId,
        name: &[u8],
    ) -> FsResult<Vec<Record>> {
        match state.below_name(dir, name) {
            Some(p) => Ok(state.sight(&p)?.into_iter().collect()),
            None => Ok(Vec::new()),
        }
    }
}

pub(crate) fn pick(set: SetTime, old: Time) -> FsResult<Time> {
    match set {
        SetTime::Keep => Ok(old),
        SetTime::Now => Ok(now()),
        SetTime::At(t) if t.nanos >= 1_000_000_000 => Err(FsError::Invalid),
        SetTime::At(t) => Ok(t),
    }
}

/// Whether a directory has no entries, seen or hidden.
pub(crate) fn is_empty(state: &State, dir: &Ref) -> FsResult<bool> {
    Ok(state.stack.list_ref(dir)?.is_empty() && !state.stack.reserved(dir)?)
}
