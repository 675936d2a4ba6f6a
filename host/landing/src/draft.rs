//! A session held still: to be read as a whole, or to be changed as a whole.
//!
//! What is changed as a whole is written to a layer that the session does not list yet. One
//! rewrite of `meta.json` makes it the session's; until then it is garbage, which the next new
//! layer of that number replaces.

use std::sync::Arc;

use brio_session::{Lower, View, ViewOptions};

use crate::errors::Doing;
use crate::lease::{Ask, Hold, Lease};
use crate::meta::Meta;
use crate::state::State;
use crate::{
    HostError, JournalEntry, LeaseError, RunTag, SessionId, checkpoint, layers, manifest, meta,
    nesting,
};

/// A read-only view of a session, and the right to write in it, which keeps others from it.
pub struct Reading {
    view: View,
    _lease: Lease,
}

impl Reading {
    pub(crate) fn take(
        state: &Arc<State>,
        id: &SessionId,
        purpose: &str,
    ) -> Result<Self, LeaseError> {
        let lease = Lease::take(state, id, Ask::Refuse, Hold::Run(RunTag::new(purpose)))?;
        let meta = meta::load_open(state, id)?;
        layers::check_store(state, &meta)?;
        let view = layers::view(state, &meta, layers::read_only(state))
            .map_err(|source| LeaseError::View { id: id.clone(), source })?;
        Ok(Self { view, _lease: lease })
    }

    /// The view.
    pub fn view(&self) -> &View {
        &self.view
    }
}

/// Changes that are not the session's yet. Dropped without [`keep`](Self::keep), nothing of
/// them is left.
///
/// What was read for them is not known: under isolation `serializable` the session then counts
/// as having read everything.
pub struct Draft {
    state: Arc<State>,
    /// The session with the layer.
    meta: Meta,
    layer: u32,
    /// The session without the layer.
    below: Arc<dyn Lower>,
    before: View,
    view: View,
    kept: bool,
    _lease: Lease,
}

impl Draft {
    pub(crate) fn begin(
        state: &Arc<State>,
        id: &SessionId,
        purpose: &str,
        options: ViewOptions,
    ) -> Result<Self, LeaseError> {
        let lease = Lease::take(state, id, Ask::Refuse, Hold::Run(RunTag::new(purpose)))?;
        let mut meta = meta::load_open(state, id)?;
        layers::check_store(state, &meta)?;
        let view = |source| LeaseError::View { id: id.clone(), source };
        let before = layers::view(state, &meta, layers::read_only(state)).map_err(view)?;
        let written = nesting::written(state, &meta, None)?;
        let (upper, dir) = nesting::new_layer(state, &meta)?;
        let layer = upper.n;
        let opened = layers::base(state, &meta)
            .and_then(|base| layers::seal_over(state, base, &written))
            .and_then(|below| {
                let options = ViewOptions { track_reads: false, ..options };
                Ok((View::open(dir, below.clone(), options)?, below))
            });
        let (opened, below) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                remove(state, id, layer);
                return Err(view(e));
            }
        };
        meta.layers = written;
        meta.layers.push(upper);
        let state = state.clone();
        let view = opened;
        Ok(Self { state, meta, layer, below, before, view, kept: false, _lease: lease })
    }

    /// The session without the changes.
    pub fn before(&self) -> &View {
        &self.before
    }

    /// The session with the changes, and where they are made.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The session without the changes, as what lies below them.
    pub(crate) fn below(&self) -> Arc<dyn Lower> {
        self.below.clone()
    }

    /// What is made comes from a session that a power cut may have torn: so may be this one then.
    pub(crate) fn mark_torn(&mut self) {
        self.meta.torn = true;
    }

    /// Makes the changes the session's, durably and at once; `what` goes to the journal. Both
    /// views go on; what is written after this is the session's too, and not synced.
    ///
    /// # Errors
    /// The session is what it was, unless the host failed in the very last step and the word
    /// came through all the same: then it has all of the changes.
    pub fn keep(&mut self, what: &str) -> Result<(), LeaseError> {
        let entry = self.state.entry(what, Some(&self.meta.id));
        self.keep_as(&entry)
    }

    /// As [`keep`](Self::keep), with this line for the journal.
    pub(crate) fn keep_as(&mut self, entry: &JournalEntry) -> Result<(), LeaseError> {
        let id = self.meta.id.clone();
        let fail = |source| LeaseError::View { id: id.clone(), source };
        // Where writes are still in flight, they are part of it.
        self.view.sync().map_err(fail)?;
        let boot = &self.state.options.boot_id;
        let mut new = self.meta.clone();
        new.torn = new.unclean(boot);
        (new.clean, new.boot) = (true, boot.clone());
        let stored = meta::store_surely(&self.state, &new, true);
        self.kept = stored.is_ok() || meta::is_stored(&self.state, &new);
        stored.doing(&id)?;
        self.state.note(entry);
        if let Err(e) = manifest::write(&self.state, &new, &self.view, || false) {
            tracing::warn!("the manifest of {id} was not written: {e}");
        }
        checkpoint::tidy(&self.state, &mut new);
        self.meta = new;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            self.view.end();
            remove(&self.state, &self.meta.id, self.layer);
        }
    }
}

fn remove(state: &State, id: &SessionId, layer: u32) {
    let removed = meta::dir(state, id).and_then(|dir| meta::remove_layer(state, &dir, layer));
    if let Err(error) = removed.map_err(|e| HostError::new(id, e)) {
        tracing::warn!("a layer that nothing lists was not removed: {error}");
    }
}
