//! A live view on another stack, as a restored checkpoint needs it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

use cap_std::fs::Dir;

use crate::handle::Object;
use crate::log;
use crate::state::State;
use crate::tree::{ROOT, Ref};
use crate::view::{Inner, WriteGate};
use crate::{FsError, FsResult, Kind, Lower, View, hostdir};

/// A stack that a view may be put on: opened, and not seen by anybody yet.
pub struct NewStack(State);

impl View {
    /// Whether nothing was ever changed in the layer in `dir`.
    ///
    /// # Errors
    /// The host's.
    pub fn layer_is_empty(dir: &Dir) -> FsResult<bool> {
        Ok(dir.metadata(log::INDEX)?.len() <= log::HEADER)
    }

    /// Whether `layer` is the directory of the layer that takes this view's writes.
    ///
    /// # Errors
    /// The host's; `Ended`.
    pub fn writes_to(&self, layer: &Dir) -> FsResult<bool> {
        let at = |dir: &Dir| Ok::<_, FsError>(hostdir::stat(dir, b".")?.0.ino);
        Ok(at(&self.inner.read()?.stack.dir)? == at(layer)?)
    }
}

impl WriteGate<'_> {
    /// Opens `layer` over `below`, for [`switch`](Self::switch).
    ///
    /// # Errors
    /// As [`View::open`]; `Ended`.
    pub fn prepare(&self, layer: Dir, below: Arc<dyn Lower>) -> FsResult<NewStack> {
        let new = self.prepare_anew(layer, below)?.0;
        let inner = self.inner();
        // What was read on the stack that is left is known to who goes on.
        let old = inner.read()?;
        if let (Some(notes), Some(old)) = (&new.notes, &old.notes) {
            old.save()?;
            notes.absorb(old)?;
        }
        Ok(NewStack(new))
    }

    /// As [`prepare`](Self::prepare), for a stack whose base is another one: what was read on
    /// the one that is left is the caller's to remember.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_anew(&self, layer: Dir, below: Arc<dyn Lower>) -> FsResult<NewStack> {
        let inner = self.inner();
        if inner.ended.load(Ordering::SeqCst) {
            return Err(FsError::Ended);
        }
        let new = State::open(layer, below, &inner.options)?;
        new.keep_notes(&inner.options)?;
        Ok(NewStack(new))
    }

    /// Puts the view on another stack. From here on look-ups answer from it. The view's root
    /// goes on as the root, and so does that of a rooted view where a directory has its path;
    /// every other handle that is open answers `Stale`: a file of the state that was left is no
    /// file of this one, whatever its name.
    pub fn switch(self, to: NewStack) {
        let inner = self.inner();
        let mut new = to.0;
        let mut state = inner.state.write().unwrap_or_else(PoisonError::into_inner);
        new.generation = inner.generation.fetch_add(1, Ordering::SeqCst) + 1;
        let epoch = inner.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        let mut objects = inner.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_ref = std::collections::HashMap::new();
        for object in objects.by_ref.values().filter_map(Weak::upgrade) {
            if let Some(at) = same_root(&object, &state, &new) {
                object.follow(at.clone(), epoch);
                by_ref.insert(at, Arc::downgrade(&object));
            }
        }
        objects.by_ref = by_ref;
        *state = new;
    }
}

/// Where the root that an object stands for is on another stack.
fn same_root(object: &Object, old: &State, new: &State) -> Option<Ref> {
    let here = object.place(&old.stack.tree);
    if here != Ref::Node(ROOT) && !object.is_root() {
        return None;
    }
    let there = new.stack.tree.walk(&old.stack.tree.path_of(&here)?)?;
    let is_dir = new.stack.meta(&there).is_ok_and(|m| m.kind == Kind::Dir);
    is_dir.then(|| new.stack.tree.canonical(there))
}

impl Inner {
    /// Whether an object belongs to the stack that the view is on.
    pub(crate) fn current(&self, object: &Object) -> FsResult<()> {
        if object.epoch() == self.epoch.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err(FsError::Stale)
        }
    }
}
