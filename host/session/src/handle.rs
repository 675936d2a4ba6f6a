//! Handles of a view: directories and files that somebody holds open.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::io::ends_after;
use crate::promote::GONE;
use crate::resolve::{Place, resolve};
use crate::sealed::{Sealed, Stack};
use crate::state::State;
use crate::tracked::What;
use crate::tree::{Node, Ref, Tree};
use crate::{
    DirEntry, FsError, FsResult, Kind, Meta, RelPath, SetTime, Source, Time, View, hostdir,
};

/// What all handles of one file or directory share.
pub(crate) struct Object {
    place: Mutex<Ref>,
    pub content: RwLock<Content>,
    /// Open files: with the last one goes the content.
    uses: AtomicUsize,
    /// What it was when it lost its last name.
    pub orphan: Mutex<Option<Node>>,
    /// Which stack of its view it belongs to.
    epoch: AtomicU64,
    /// It is the root of a rooted view.
    root: AtomicBool,
}

/// Where the bytes of an open file come from.
pub(crate) enum Content {
    /// Not opened: a directory.
    None,
    /// Still the lower's; opened for reading.
    Borrowed(Borrowed),
    /// The layer's own data file, opened for reading and writing.
    Own(File),
}

/// A file of the lower.
pub(crate) struct Borrowed {
    pub from: Source,
    /// What it looked like when it was opened: that is what it looks like to its handles for
    /// as long as no layer knows it.
    pub seen: Option<Meta>,
    /// Where a read ran into the end, until the next read asks just that; else `NO_END`.
    end: AtomicU64,
    /// The file of the base that it is, in a view that tracks what is read.
    base: Option<RelPath>,
    /// That it was read is noted.
    noted: AtomicBool,
}

const NO_END: u64 = u64::MAX;

impl Borrowed {
    pub(crate) fn new(from: impl Into<Source>, seen: Option<Meta>, base: Option<RelPath>) -> Self {
        let from = from.into();
        Self { from, seen, end: AtomicU64::new(NO_END), base, noted: AtomicBool::new(false) }
    }

    /// Notes that what it holds was read.
    pub(crate) fn note(&self, view: &View) -> FsResult<()> {
        let Some(base) = &self.base else { return Ok(()) };
        if !self.noted.load(Ordering::Relaxed) {
            view.inner.read()?.note_base(base, What::Content)?;
            self.noted.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Fills `buf`, or reads to the end. Who reads a file as a whole asks for its size, and then
    /// for more: the first read sees the end as well, and answers the second.
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize> {
        let end = offset.checked_add(buf.len() as u64).ok_or(FsError::Invalid)?;
        let known = self.end.swap(NO_END, Ordering::Relaxed);
        if known == offset && known != NO_END {
            return Ok(0);
        }
        if let Some(file) = self.from.as_file()
            && !buf.is_empty()
            && self.seen.is_some_and(|m| m.size == end)
            && ends_after(file, buf, offset)?
        {
            self.end.store(end, Ordering::Relaxed);
            return Ok(buf.len());
        }
        self.from.read_at(buf, offset)
    }

    /// Its metadata, when no name tells any.
    pub(crate) fn nameless(&self) -> FsResult<Meta> {
        match (&self.from, self.seen) {
            (Source::File(file), _) => Ok(hostdir::stat_file(file)?.0),
            (Source::Lazy(_), Some(seen)) => Ok(seen),
            (Source::Lazy(content), None) => {
                let (size, at) = (content.size(), Time::default());
                let (kind, mode) = (Kind::File, crate::NEW_FILE_MODE);
                Ok(Meta { kind, ino: 0, nlink: 0, size, mode, atime: at, mtime: at, ctime: at })
            }
        }
    }
}

impl Object {
    pub(crate) fn new(place: Ref, epoch: u64) -> Self {
        Self {
            epoch: AtomicU64::new(epoch),
            root: AtomicBool::new(false),
            place: Mutex::new(place),
            content: RwLock::new(Content::None),
            uses: AtomicUsize::new(0),
            orphan: Mutex::new(None),
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    pub(crate) fn make_root(&self) {
        self.root.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_root(&self) -> bool {
        self.root.load(Ordering::SeqCst)
    }

    /// Goes on as what lies at a place of its view's new stack.
    pub(crate) fn follow(&self, place: Ref, epoch: u64) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        self.epoch.store(epoch, Ordering::SeqCst);
    }

    /// Its last name is gone: its node stays with it.
    pub(crate) fn lose(&self, node: Node) {
        *self.orphan.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Ref::Node(GONE);
    }

    /// Where it is now.
    pub(crate) fn place(&self, tree: &Tree) -> Ref {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ref::Lower(_) = &*place {
            *place = tree.canonical(place.clone());
        }
        place.clone()
    }

    /// Moves it from a sealed tree to the stack above it, past the layers that came between;
    /// `None` when it has no name there.
    pub(crate) fn move_to(&self, old: &Tree, between: &[Arc<Sealed>], new: &Stack) -> Option<Ref> {
        let path =
            between.iter().fold(old.path_of(&self.place(old)), |p, l| l.stack.tree.now_at(&p?));
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = path else {
            // Unlinked, but open: its bytes are its own from here on.
            *place = Ref::Node(GONE);
            return None;
        };
        let found = Ref::Lower(path);
        let nlink = new.meta(&found).map_or(1, |m| if m.kind == Kind::File { m.nlink } else { 1 });
        *place = new.identity(found.clone(), nlink).unwrap_or_else(|_| new.tree.canonical(found));
        if !matches!(*content, Content::None) {
            let base = new.origin_ref(&place).ok().flatten();
            let old = std::mem::replace(&mut *content, Content::None);
            *content = match (new.open_ref(&place), old) {
                (Ok(f), _) => Content::Borrowed(Borrowed::new(f, None, base)),
                (Err(_), Content::Own(f)) => Content::Borrowed(Borrowed::new(f, None, None)),
                (Err(_), old) => old,
            };
        }
        Some(place.clone())
    }
}

/// A share in an object's content. While there is one, what is open stays so.
pub(crate) struct Use {
    object: Arc<Object>,
    counts: bool,
}

impl Use {
    pub(crate) fn new(object: Arc<Object>) -> Self {
        object.uses.fetch_add(1, Ordering::SeqCst);
        Self { object, counts: true }
    }

    /// Gives the share back where the content must not be locked, and leaves the content be.
    pub(crate) fn give_back(mut self) {
        self.counts = false;
        self.object.uses.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Clone for Use {
    fn clone(&self) -> Self {
        Self::new(self.object.clone())
    }
}

impl std::ops::Deref for Use {
    type Target = Arc<Object>;

    fn deref(&self) -> &Arc<Object> {
        &self.object
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if self.counts && self.object.uses.fetch_sub(1, Ordering::SeqCst) == 1 {
            let mut content = self.object.content.write().unwrap_or_else(PoisonError::into_inner);
            if self.object.uses.load(Ordering::SeqCst) == 0 {
                *content = Content::None;
            }
        }
    }
}

/// An open directory. Clones are the same handle. It follows its directory through renames.
#[derive(Clone)]
pub struct DirHandle {
    pub(crate) view: View,
    pub(crate) object: Arc<Object>,
    /// It is, or lies below, a `.git`.
    pub(crate) protected: bool,
}

impl DirHandle {
    pub(crate) fn new(view: View, object: Arc<Object>, protected: bool) -> Self {
        Self { view, object, protected }
    }

    /// The view it belongs to.
    pub fn view(&self) -> &View {
        &self.view
    }

    fn place(&self, state: &State) -> FsResult<Ref> {
        self.view.inner.current(&self.object)?;
        Ok(self.object.place(&state.stack.tree))
    }

    pub(crate) fn resolve(&self, state: &State, path: &[u8], follow: bool) -> FsResult<Place> {
        let start = self.place(state)?;
        resolve(&state.stack, &start, self.protected, path, follow)
    }

    /// The name that a change is about. A link is never followed, nor when a slash stands after
    /// it: the place says so in `must_dir`, and the change refuses what is no directory.
    pub(crate) fn resolve_name(&self, state: &State, path: &[u8]) -> FsResult<Place> {
        let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
        if end == 0 || end == path.len() {
            return self.resolve(state, path, false);
        }
        let mut place = self.resolve(state, &path[..end], false)?;
        place.must_dir = true;
        Ok(place)
    }

    /// Its metadata.
    ///
    /// # Errors
    /// `NotFound` when it was removed, `Stale` when the view has ended.
    pub fn meta(&self) -> FsResult<Meta> {
        let state = self.view.inner.read().map_err(stale)?;
        let place = self.place(&state)?;
        let meta = state.stack.meta(&place)?;
        state.note(&place, What::Metadata)?;
        Ok(meta)
    }

    /// Its entries as of now, sorted by name, without `.`, `..` and reserved names.
    ///
    /// # Errors
    /// As [`meta`](Self::meta).
    pub fn list(&self) -> FsResult<Vec<DirEntry>> {
        let state = self.view.inner.read().map_err(stale)?;
        state.stack.list_ref(&self.place(&state)?)
    }

    /// Where it lies in the view now.
    ///
    /// # Errors
    /// As [`meta`](Self::meta).
    pub fn path(&self) -> FsResult<RelPath> {
        let state = self.view.inner.read().map_err(stale)?;
        let place = self.place(&state)?;
        state.stack.tree.path_of(&place).ok_or(FsError::NotFound)
    }

    /// Sets its times.
    ///
    /// # Errors
    /// As [`meta`](Self::meta), and as every change: `ReadOnly`, `NoSpace`.
    pub fn set_times(&self, atime: SetTime, mtime: SetTime) -> FsResult<()> {
        self.view.set_times_at(self, b".", false, atime, mtime).map_err(stale)
    }

    /// Sets its permission bits.
    ///
    /// # Errors
    /// As [`set_times`](Self::set_times).
    pub fn set_mode(&self, mode: u32) -> FsResult<()> {
        self.view.set_mode_at(self, b".", false, mode).map_err(stale)
    }

    /// Makes the session's layer durable.
    ///
    /// # Errors
    /// The host's.
    pub fn sync(&self) -> FsResult<()> {
        self.view.sync().map_err(stale)
    }
}

/// For handles, the end of a view is `Stale`.
pub(crate) fn stale(e: FsError) -> FsError {
    if e == FsError::Ended { FsError::Stale } else { e }
}

/// How [`View::open_at`] opens.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions {
    /// For reading.
    pub read: bool,
    /// For writing. The copy-up happens at the first write, not here.
    pub write: bool,
    /// Makes a regular file where nothing is.
    pub create: bool,
    /// With `create`: it must not be there.
    pub exclusive: bool,
    /// Cuts a file to nothing.
    pub truncate: bool,
    /// It must be a directory.
    pub directory: bool,
    /// Follows a link in the last component.
    pub follow: bool,
    /// A file without a single write bit may be written all the same: by who made it so and goes
    /// on to write in it, where a protocol has no open files to do that through.
    pub owner: bool,
    /// The permission bits of a file that is made; `None`: [`NEW_FILE_MODE`](crate::NEW_FILE_MODE).
    pub mode: Option<u32>,
}

/// What [`View::open_at`] opened.
pub enum Handle {
    /// A regular file.
    File(crate::FileHandle),
    /// A directory.
    Dir(DirHandle),
}

impl View {
    /// Opens, and makes when told to, what is at `path` below `dir`.
    ///
    /// # Errors
    /// As `open(2)`: `NotFound`, `Exists` (exclusive), `IsDirectory` (writing or truncating
    /// one), `NotDirectory`, `Loop` (a link that is not followed), `Access`, `ReadOnly`,
    /// `NotPermitted` (leaving `dir`, a reserved name), `FileLimit`, `Ended`.
    pub fn open_at(&self, dir: &DirHandle, path: &[u8], how: &OpenOptions) -> FsResult<Handle> {
        let writes = how.write || how.truncate || how.create;
        let _gate =
            if writes && !self.inner.options.read_only { Some(self.inner.admit()?) } else { None };
        let follow = how.follow && !(how.create && how.exclusive);
        loop {
            // A place means something only while the state it was found in is held.
            let opened = {
                let state = self.inner.read()?;
                let place = dir.resolve(&state, path, follow)?;
                let protected = place.protected;
                match place.at {
                    Some(_) if how.create && how.exclusive && !how.directory => {
                        return Err(FsError::Exists);
                    }
                    Some((at, meta)) => {
                        if meta.kind == Kind::Dir {
                            if how.write || how.truncate || (how.create && !how.directory) {
                                return Err(FsError::IsDirectory);
                            }
                            let object = self.inner.object(state.stack.tree.canonical(at));
                            return Ok(Handle::Dir(DirHandle::new(
                                self.clone(),
                                object,
                                protected,
                            )));
                        }
                        self.may_open(&meta, protected, how)?;
                        let at = state.stack.identity(at, meta.nlink)?;
                        let object = self.inner.object(at.clone());
                        Some((self.open_in(&state, object, at, meta)?, protected))
                    }
                    None if how.create && !how.directory => None,
                    None => return Err(FsError::NotFound),
                }
            };
            let (object, protected) = match opened {
                Some((opened, protected)) => match opened.settle(self) {
                    Some(object) => (object, protected),
                    None => continue,
                },
                None => match self.create_file(dir, path, how)? {
                    Some(made) => made,
                    // Somebody was faster; exclusive or not, the next look-up tells.
                    None => continue,
                },
            };
            let handle = crate::FileHandle::new(self.clone(), object, protected, how);
            if how.truncate {
                handle.truncate(0)?;
            }
            return Ok(Handle::File(handle));
        }
    }

    pub(crate) fn may_open(&self, meta: &Meta, protected: bool, how: &OpenOptions) -> FsResult<()> {
        match meta.kind {
            _ if how.directory => Err(FsError::NotDirectory),
            Kind::Symlink => Err(FsError::Loop),
            Kind::Other => Err(FsError::NotSupported),
            _ if how.write || how.truncate => {
                self.writable(protected)?;
                if meta.mode & 0o222 == 0 && !how.owner { Err(FsError::Access) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Whether this view lets a place be changed.
    pub(crate) fn writable(&self, protected: bool) -> FsResult<()> {
        if self.inner.options.read_only || (protected && !self.inner.options.vcs) {
            return Err(FsError::ReadOnly);
        }
        Ok(())
    }
}
