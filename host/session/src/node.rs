//! What a view holds by identity: a file, directory or link, without a descriptor.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::file::Opened;
use crate::handle::{Content, DirHandle, Object, OpenOptions, Use, stale};
use crate::io::set_file_times;
use crate::ops::pick;
use crate::tracked::What;
use crate::tree::{Body, Node, Ref};
use crate::{FileHandle, FsError, FsResult, Kind, Meta, Op, RelPath, SetTime, View, hostdir};

/// A file, directory, link or whatever else a view shows, held by what it is and not by its
/// name. It follows renames and copy-up, is the same under each of its names, and outlives the
/// last of them. It holds no descriptor. Clones and equal handles are the same thing.
#[derive(Clone)]
pub struct NodeHandle {
    view: View,
    object: Arc<Object>,
    /// It was found in a `.git`.
    protected: bool,
    kind: Kind,
}

impl NodeHandle {
    pub(crate) fn new(view: View, object: Arc<Object>, protected: bool, kind: Kind) -> Self {
        Self { view, object, protected, kind }
    }

    /// What it is; that never changes.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The view it belongs to.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Its metadata; without a name left, `nlink` is 0.
    ///
    /// # Errors
    /// `Stale` when the view has ended or was put on another stack, and the host's.
    pub fn meta(&self) -> FsResult<Meta> {
        self.view.meta_of(&self.object)
    }

    /// Opens the regular file. Nothing is made here, so `create`, `exclusive`, `directory`,
    /// `follow` and `mode` mean nothing.
    ///
    /// # Errors
    /// As `open(2)`: `IsDirectory`, `Loop` (a link), `NotSupported`, `Access`, `ReadOnly`;
    /// `Stale` when it has neither a name nor somebody who has it open.
    pub fn open(&self, how: &OpenOptions) -> FsResult<FileHandle> {
        let how = OpenOptions { create: false, directory: false, ..*how };
        if self.kind == Kind::Dir {
            return Err(FsError::IsDirectory);
        }
        let inner = &self.view.inner;
        let writes = (how.write || how.truncate) && !inner.options.read_only;
        let _gate = if writes { Some(inner.admit().map_err(stale)?) } else { None };
        loop {
            let opened = self.find(&how)?;
            let object = match opened {
                Some(opened) => match opened.settle(&self.view) {
                    Some(object) => object,
                    None => continue,
                },
                None => self.join()?,
            };
            let file = FileHandle::new(self.view.clone(), object, self.protected, &how);
            if how.truncate {
                file.truncate(0).map_err(stale)?;
            }
            return Ok(file);
        }
    }

    /// What a name leads to; `None`: none is left.
    fn find(&self, how: &OpenOptions) -> FsResult<Option<Opened>> {
        let state = self.view.inner.read().map_err(stale)?;
        self.view.inner.current(&self.object)?;
        let at = self.object.place(&state.stack.tree);
        match state.stack.meta(&at) {
            Ok(meta) => {
                self.view.may_open(&meta, self.protected, how)?;
                self.view.open_in(&state, self.object.clone(), at, meta).map(Some)
            }
            Err(FsError::NotFound) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Shares what others who have it open still hold.
    fn join(&self) -> FsResult<Use> {
        let object = Use::new(self.object.clone());
        let content = object.content.read().unwrap_or_else(PoisonError::into_inner);
        let open = !matches!(&*content, Content::None);
        drop(content);
        if open { Ok(object) } else { Err(FsError::Stale) }
    }

    /// The target of the link.
    ///
    /// # Errors
    /// `Invalid` when it is none; as [`meta`](Self::meta).
    pub fn read_link(&self) -> FsResult<Vec<u8>> {
        let state = self.view.inner.read().map_err(stale)?;
        self.view.inner.current(&self.object)?;
        match state.stack.read_link_ref(&self.object.place(&state.stack.tree)) {
            Err(FsError::NotFound) => match self.object.orphan().as_ref().map(|n| &n.body) {
                Some(Body::Symlink { target }) => Ok(target.clone()),
                Some(_) => Err(FsError::Invalid),
                None => Err(FsError::Stale),
            },
            found => found,
        }
    }

    /// The directory, to look things up in. `None` for everything else.
    pub fn as_dir(&self) -> Option<DirHandle> {
        let dir = || DirHandle::new(self.view.clone(), self.object.clone(), self.protected);
        (self.kind == Kind::Dir).then(dir)
    }

    /// Gives the file or link another name.
    ///
    /// # Errors
    /// As [`View::link_at`]; `NotFound` without a name left.
    pub fn link(&self, dir: &DirHandle, name: &[u8]) -> FsResult<()> {
        let inner = &self.view.inner;
        let _gate = inner.admit().map_err(stale)?;
        let mut state = inner.write().map_err(stale)?;
        inner.current(&self.object)?;
        let at = self.object.place(&state.stack.tree);
        let to = dir.resolve_name(&state, name)?;
        self.view.writable(self.protected || to.protected)?;
        self.view.link_place(&mut state, &at, self.kind, to)
    }

    /// A path that leads to it. Also in a view that has ended: then, the last one that did.
    ///
    /// # Errors
    /// `NotFound` without a name left; `Stale` when the view was put on another stack.
    pub fn path(&self) -> FsResult<RelPath> {
        let inner = &self.view.inner;
        let state = inner.state.read().unwrap_or_else(PoisonError::into_inner);
        inner.current(&self.object)?;
        let place = self.object.place(&state.stack.tree);
        state.stack.tree.path_of(&place).ok_or(FsError::NotFound)
    }

    /// Sets its times: a link's own, not its target's.
    ///
    /// # Errors
    /// As every change: `ReadOnly`, `NoSpace`, `Stale`.
    pub fn set_times(&self, atime: SetTime, mtime: SetTime) -> FsResult<()> {
        self.view.change_times(&self.object, self.protected, atime, mtime)
    }

    /// Sets its permission bits.
    ///
    /// # Errors
    /// As [`set_times`](Self::set_times); `NotSupported` for a link.
    pub fn set_mode(&self, mode: u32) -> FsResult<()> {
        self.view.change_mode(&self.object, self.protected, mode)
    }
}

impl PartialEq for NodeHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.object, &other.object)
    }
}

impl Eq for NodeHandle {}

impl Hash for NodeHandle {
    fn hash<H: Hasher>(&self, to: &mut H) {
        Arc::as_ptr(&self.object).hash(to);
    }
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Ok(path) => write!(f, "{:?} {path:?}", self.kind),
            Err(e) => write!(f, "{:?} ({e})", self.kind),
        }
    }
}

impl DirHandle {
    /// The directory as a node.
    pub fn node(&self) -> NodeHandle {
        NodeHandle::new(self.view.clone(), self.object.clone(), self.protected, Kind::Dir)
    }
}

impl View {
    /// What is at `path` below `dir`, of whatever kind, and its metadata. `follow`: a link's
    /// target.
    ///
    /// # Errors
    /// As [`stat_at`](Self::stat_at).
    pub fn node_at(
        &self,
        dir: &DirHandle,
        path: &[u8],
        follow: bool,
    ) -> FsResult<(NodeHandle, Meta)> {
        let state = self.inner.read()?;
        let place = dir.resolve(&state, path, follow)?;
        let protected = place.protected;
        let (at, meta) = place.found()?;
        let at = match meta.kind {
            Kind::Dir => state.stack.tree.canonical(at),
            _ => state.stack.identity(at, meta.nlink)?,
        };
        state.note(&at, What::Metadata)?;
        let object = self.inner.object(at);
        Ok((NodeHandle::new(self.clone(), object, protected, meta.kind), meta))
    }

    pub(crate) fn meta_of(&self, object: &Object) -> FsResult<Meta> {
        let seen = match &*object.content.read().unwrap_or_else(PoisonError::into_inner) {
            Content::Borrowed(b) => b.seen,
            _ => None,
        };
        {
            let state = self.inner.read().map_err(stale)?;
            self.inner.current(object)?;
            let place = object.place(&state.stack.tree);
            state.note(&place, What::Metadata)?;
            if let (Ref::Lower(_), Some(seen)) = (&place, seen) {
                return Ok(seen);
            }
            match state.stack.meta(&place) {
                Err(FsError::NotFound) => {}
                found => return found,
            }
        }
        let content = object.content.read().unwrap_or_else(PoisonError::into_inner);
        let orphan = object.orphan();
        let mut m = match &*content {
            Content::Borrowed(b) => b.nameless()?,
            Content::Own(file) => hostdir::stat_file(file)?.0,
            Content::None => return orphan.as_ref().map(without_name).ok_or(FsError::Stale),
        };
        m.nlink = 0;
        if let Some(n) = &*orphan {
            (m.ino, m.mode) = (n.ino, n.mode);
            if let Content::Borrowed(..) = &*content {
                (m.atime, m.mtime, m.ctime) = (n.atime, n.mtime, n.mtime);
            }
        }
        Ok(m)
    }

    pub(crate) fn change_times(
        &self,
        object: &Arc<Object>,
        protected: bool,
        atime: SetTime,
        mtime: SetTime,
    ) -> FsResult<()> {
        let _gate = self.inner.admit().map_err(stale)?;
        self.inner.current(object)?;
        self.writable(protected)?;
        {
            let mut state = self.inner.write().map_err(stale)?;
            let place = object.place(&state.stack.tree);
            match self.set_times_of(&mut state, &place, atime, mtime) {
                Err(FsError::NotFound) => {}
                done => return done,
            }
        }
        // Without a name left it is nobody's but its handles'.
        self.copy_up(object, u64::MAX).map_err(stale)?;
        let content = object.content.read().unwrap_or_else(PoisonError::into_inner);
        let Content::Own(f) = &*content else {
            let mut orphan = object.orphan();
            let n = orphan.as_mut().ok_or(FsError::Stale)?;
            (n.atime, n.mtime) = (pick(atime, n.atime)?, pick(mtime, n.mtime)?);
            return Ok(());
        };
        let m = hostdir::stat_file(f)?.0;
        let (atime, mtime) = (pick(atime, m.atime)?, pick(mtime, m.mtime)?);
        let door = &self.inner.options.door;
        Ok(door.run(Op::SetTimes, || set_file_times(f, atime, mtime))?)
    }

    pub(crate) fn change_mode(&self, object: &Object, protected: bool, mode: u32) -> FsResult<()> {
        let _gate = self.inner.admit().map_err(stale)?;
        self.inner.current(object)?;
        self.writable(protected)?;
        let mut state = self.inner.write().map_err(stale)?;
        let place = object.place(&state.stack.tree);
        match self.set_mode_of(&mut state, &place, mode) {
            Err(FsError::NotFound) => {}
            done => return done,
        }
        if let Some(n) = &mut *object.orphan() {
            n.mode = mode & 0o7777;
        }
        Ok(())
    }
}

/// What is left to say about something that has no name and that nobody has open.
fn without_name(n: &Node) -> Meta {
    let size = match &n.body {
        Body::Symlink { target } => target.len() as u64,
        Body::Dir { .. } => 4096,
        _ => 0,
    };
    Meta {
        kind: n.body.kind(),
        ino: n.ino,
        nlink: 0,
        size,
        mode: n.mode,
        atime: n.atime,
        mtime: n.mtime,
        ctime: n.mtime,
    }
}

impl Object {
    fn orphan(&self) -> MutexGuard<'_, Option<Node>> {
        self.orphan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
