//! Open files: reading, and writing after the first copy-up.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};

use crate::handle::{Borrowed, Content, DirHandle, Object, OpenOptions, Use, stale};
use crate::io::{create, read_full, write_full};
use crate::promote::now;
use crate::sealed::data_name;
use crate::state::State;
use crate::tree::{Body, Child, Record, Ref};
use crate::{FsError, FsResult, Kind, Meta, NodeHandle, Op, SetTime, Source, View, hostdir};

/// An open regular file. Clones are the same handle. It follows its file through renames,
/// sees what other handles write, and outlives the file's last name.
#[derive(Clone)]
pub struct FileHandle {
    view: View,
    object: Use,
    read: bool,
    write: bool,
    /// It was opened in a `.git`.
    protected: bool,
}

/// Up to here nobody looks whether a write leaves a hole.
const HOLE: u64 = 64 << 10;

impl FileHandle {
    pub(crate) fn new(view: View, object: Use, protected: bool, how: &OpenOptions) -> Self {
        Self { view, object, read: how.read, write: how.write || how.truncate, protected }
    }

    /// Whether it was opened for reading.
    pub fn readable(&self) -> bool {
        self.read
    }

    /// Whether it was opened for writing.
    pub fn writable(&self) -> bool {
        self.write
    }

    /// Reads at a byte offset; fewer bytes than asked for only at the end, 0 past it.
    ///
    /// # Errors
    /// `BadDescriptor` when not opened for reading, `Stale`, and the host's.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize> {
        if !self.read {
            return Err(FsError::BadDescriptor);
        }
        self.alive()?;
        let content = self.object.content.read().unwrap_or_else(PoisonError::into_inner);
        match &*content {
            Content::Borrowed(b) => {
                b.note(&self.view).map_err(stale)?;
                b.read_at(buf, offset)
            }
            Content::Own(f) => read_full(f, buf, offset),
            Content::None => Err(FsError::BadDescriptor),
        }
    }

    /// Writes all of `buf` at a byte offset; a gap before it reads as zeros.
    ///
    /// # Errors
    /// `BadDescriptor` when not opened for writing, `Stale`, `NoSpace`, `TooLarge`, `DiskLimit`.
    pub fn write_at(&self, buf: &[u8], offset: u64) -> FsResult<usize> {
        let _gate = self.admit()?;
        if buf.is_empty() {
            return Ok(0);
        }
        self.view.copy_up(&self.object, u64::MAX).map_err(stale)?;
        let content = self.object.content.read().unwrap_or_else(PoisonError::into_inner);
        self.put(&content, buf, offset)
    }

    /// Writes all of `buf` at the end, in one piece against other appends.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    pub fn append(&self, buf: &[u8]) -> FsResult<usize> {
        let _gate = self.admit()?;
        if buf.is_empty() {
            return Ok(0);
        }
        self.view.copy_up(&self.object, u64::MAX).map_err(stale)?;
        let content = self.object.content.write().unwrap_or_else(PoisonError::into_inner);
        let Content::Own(f) = &*content else { return Err(FsError::Stale) };
        let end = hostdir::stat_file(f)?.0.size;
        self.put(&content, buf, end)
    }

    fn put(&self, content: &Content, buf: &[u8], offset: u64) -> FsResult<usize> {
        let Content::Own(f) = content else { return Err(FsError::Stale) };
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > i64::MAX as u64) {
            return Err(FsError::TooLarge);
        }
        // What a write leaves out reads as zeros, as after `set_len`, and is charged alike.
        let hole = match offset {
            0..=HOLE => 0,
            _ => offset.saturating_sub(hostdir::stat_file(f)?.0.size),
        };
        self.view.inner.charge_bytes(hole.saturating_add(buf.len() as u64))?;
        self.view.inner.options.door.run(Op::Write, || write_full(f, buf, offset))?;
        Ok(buf.len())
    }

    /// Sets the length in bytes; what is added reads as zeros and is charged as if written.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    pub fn set_len(&self, len: u64) -> FsResult<()> {
        let _gate = self.admit()?;
        self.truncate(len).map_err(stale)
    }

    /// Makes its content that of another file, sharing blocks where the file system can.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at), and as reading `from`.
    pub fn copy_from(&self, from: &Source) -> FsResult<()> {
        let _gate = self.admit()?;
        self.truncate(0).map_err(stale)?;
        let content = self.object.content.write().unwrap_or_else(PoisonError::into_inner);
        let Content::Own(to) = &*content else { return Err(FsError::Stale) };
        let size = from.size()?;
        self.view.fill(to, from, size, size).map(drop)
    }

    /// Gives the empty file `to` of the host what this one holds; returns the bytes that were
    /// copied, and not shared. `reflink`: try to share. Holes stay holes.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at), and the host's about `to`.
    pub fn copy_to(&self, to: &std::fs::File, reflink: bool) -> FsResult<u64> {
        if !self.read {
            return Err(FsError::BadDescriptor);
        }
        self.alive()?;
        let content = self.object.content.read().unwrap_or_else(PoisonError::into_inner);
        Ok(match &*content {
            Content::Borrowed(b) => {
                b.note(&self.view).map_err(stale)?;
                b.from.copy_to(to, reflink)?
            }
            Content::Own(from) => crate::copy_content(from, to, reflink)?,
            Content::None => return Err(FsError::BadDescriptor),
        })
    }

    /// As [`set_len`](Self::set_len); the caller holds the gate.
    pub(crate) fn truncate(&self, len: u64) -> FsResult<()> {
        if len > i64::MAX as u64 {
            return Err(FsError::TooLarge);
        }
        self.view.copy_up(&self.object, len)?;
        let content = self.object.content.read().unwrap_or_else(PoisonError::into_inner);
        let Content::Own(f) = &*content else { return Err(FsError::Stale) };
        let old = hostdir::stat_file(f)?.0.size;
        self.view.inner.charge_bytes(len.saturating_sub(old))?;
        Ok(self.view.inner.options.door.run(Op::Truncate, || f.set_len(len))?)
    }

    /// Makes its content (and, unless `data_only`, the layer's index) durable.
    ///
    /// # Errors
    /// The host's, and `Stale`.
    pub fn sync(&self, data_only: bool) -> FsResult<()> {
        self.alive()?;
        let first = !self.view.inner.read().map_err(stale)?.synced.load(Ordering::Relaxed);
        if first && self.writable() {
            // The session's records were never synced, and without them nothing that is made
            // durable here is found again.
            return self.view.sync().map_err(stale);
        }
        {
            let content = self.object.content.read().unwrap_or_else(PoisonError::into_inner);
            let Content::Own(f) = &*content else { return Ok(()) };
            let door = &self.view.inner.options.door;
            door.run(Op::Sync, || if data_only { f.sync_data() } else { f.sync_all() })?;
        }
        let state = self.view.inner.read().map_err(stale)?;
        if let Some(log) = &state.log {
            log.sync()?;
        }
        Ok(())
    }

    /// Its metadata; without a name left, `nlink` is 0.
    ///
    /// # Errors
    /// `Stale`, and the host's.
    pub fn meta(&self) -> FsResult<Meta> {
        self.view.meta_of(&self.object)
    }

    /// Sets its times.
    ///
    /// # Errors
    /// As every change.
    pub fn set_times(&self, atime: SetTime, mtime: SetTime) -> FsResult<()> {
        self.view.change_times(&self.object, self.protected, atime, mtime)
    }

    /// Sets its permission bits.
    ///
    /// # Errors
    /// As every change.
    pub fn set_mode(&self, mode: u32) -> FsResult<()> {
        self.view.change_mode(&self.object, self.protected, mode)
    }

    /// Whether both are open on one file.
    pub fn same_file(&self, other: &FileHandle) -> bool {
        Arc::ptr_eq(&self.object, &other.object)
    }

    /// The file that it is open on.
    pub fn node(&self) -> NodeHandle {
        let object = Arc::clone(&self.object);
        NodeHandle::new(self.view.clone(), object, self.protected, Kind::File)
    }

    fn alive(&self) -> FsResult<()> {
        self.view.inner.read().map(drop).map_err(stale)?;
        self.view.inner.current(&self.object)
    }

    fn admit(&self) -> FsResult<std::sync::RwLockReadGuard<'_, bool>> {
        if !self.write {
            return Err(FsError::BadDescriptor);
        }
        let gate = self.view.inner.admit().map_err(stale)?;
        self.view.inner.current(&self.object)?;
        Ok(gate)
    }
}

fn open_content(state: &State, at: &Ref, meta: Meta) -> FsResult<Content> {
    let base = if state.notes.is_some() { state.stack.origin_ref(at)? } else { None };
    let id = match at {
        Ref::Lower(p) => {
            return Ok(Content::Borrowed(Borrowed::new(
                state.stack.below.open_known(p)?,
                Some(meta),
                base,
            )));
        }
        Ref::Node(id) => id,
    };
    if let Body::Own { .. } = state.stack.node(*id)?.body {
        let mut how = cap_std::fs::OpenOptions::new();
        how.read(true).write(state.log.is_some());
        return Ok(Content::Own(state.stack.dir.open_with(data_name(*id), &how)?.into_std()));
    }
    Ok(Content::Borrowed(Borrowed::new(state.stack.open_ref(at)?, None, base)))
}

/// A regular file that was found, and its content if its object lacked it.
pub(crate) struct Opened {
    object: Use,
    generation: u64,
    content: Option<Content>,
}

impl Opened {
    /// Gives the object its content; no lock of the state is held, for a copy-up takes the
    /// content's lock first. `None`: the view was restacked in between.
    pub(crate) fn settle(self, view: &View) -> Option<Use> {
        {
            let mut content = self.object.content.write().unwrap_or_else(PoisonError::into_inner);
            if let Content::None = &*content {
                if view.inner.generation() != self.generation {
                    return None;
                }
                *content = self.content?;
            }
        }
        Some(self.object)
    }
}

impl View {
    /// A share in a regular file, which lies at `at`, and what its content is to be.
    pub(crate) fn open_in(
        &self,
        state: &State,
        object: Arc<Object>,
        at: Ref,
        meta: Meta,
    ) -> FsResult<Opened> {
        let object = Use::new(object);
        // One that is locked is being opened or copied up: it will have its content.
        let open = match object.content.try_read() {
            Ok(c) => !matches!(&*c, Content::None),
            Err(TryLockError::Poisoned(c)) => !matches!(&*c.into_inner(), Content::None),
            Err(TryLockError::WouldBlock) => false,
        };
        let content = match open {
            true => None,
            false => match open_content(state, &at, meta) {
                Ok(content) => Some(content),
                Err(e) => {
                    // Whoever holds the content may be waiting for the state.
                    object.give_back();
                    return Err(e);
                }
            },
        };
        Ok(Opened { object, generation: state.generation, content })
    }

    /// Makes an empty file where nothing is; the caller holds the gate. `None`: something is
    /// there by now.
    pub(crate) fn create_file(
        &self,
        dir: &DirHandle,
        path: &[u8],
        how: &OpenOptions,
    ) -> FsResult<Option<(Use, bool)>> {
        let door = &self.inner.options.door;
        let mut state = self.inner.write()?;
        let place = dir.resolve(&state, path, how.follow && !how.exclusive)?;
        if place.at.is_some() {
            return Ok(None);
        }
        if place.must_dir {
            return Err(FsError::IsDirectory);
        }
        self.writable(place.protected)?;
        place.free_name()?;
        self.may_lie(&state, &place, 0)?;
        let dir = self.enter(&mut state, &place)?;
        self.inner.charge_file()?;
        let id = state.stack.tree.next;
        let name = data_name(id);
        let file = match create(&state.stack.dir, &name, door) {
            // Left by a creation that never reached the log.
            Err(FsError::Exists) => {
                door.run(Op::Unlink, || state.stack.dir.remove_file(&name))?;
                create(&state.stack.dir, &name, door)?
            }
            other => other?,
        };
        let node = state.fresh(
            id,
            how.mode.unwrap_or(crate::NEW_FILE_MODE) & 0o7777,
            Body::Own { from: None },
        );
        let mut batch = self.first_sight(&state, dir, &place.name)?;
        batch.push(Record::Node { id, node });
        let child = Some(Child::Node(id));
        batch.push(Record::Entry { dir, name: place.name.clone(), child, at: now() });
        if let Err(e) = state.commit(batch, &self.inner) {
            let _ = door.run(Op::Unlink, || state.stack.dir.remove_file(&name));
            return Err(e);
        }
        let object = Use::new(self.inner.object(Ref::Node(id)));
        if let Some(f) = file {
            *object.content.write().unwrap_or_else(PoisonError::into_inner) = Content::Own(f);
        }
        Ok(Some((object, place.protected)))
    }
}
