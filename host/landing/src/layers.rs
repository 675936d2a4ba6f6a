//! A session's stack of layers, opened.

use std::sync::Arc;

use brio_session::{FsResult, Lower, Sealed, Tracked, View, ViewOptions};

use crate::SessionError;
use crate::lower;
use crate::meta::{Layer, Meta, cap, layer_dir};
use crate::state::State;

/// The base as a session sees it, below all layers.
pub(crate) fn base(state: &Arc<State>, meta: &Meta) -> FsResult<Arc<dyn Lower>> {
    lower::open(state, meta)
}

/// What a session began on: for a child, with its parent's layers of then.
pub(crate) fn began_on(state: &Arc<State>, meta: &Meta) -> FsResult<Arc<dyn Lower>> {
    seal_over(state, base(state, meta)?, &meta.layers[..meta.inherited.min(meta.layers.len())])
}

/// Whether what a session stands on can be opened here at all.
pub(crate) fn check_store(state: &State, meta: &Meta) -> Result<(), SessionError> {
    match meta.lower.tree() {
        Some(tree) if state.options.trees.is_none() => {
            Err(SessionError::NoStore { id: meta.id.clone(), project: tree.project.clone() })
        }
        _ => Ok(()),
    }
}

/// The base for a view that tracks what it reads, or does not.
pub(crate) fn below(base: Arc<dyn Lower>, track_reads: bool) -> Arc<dyn Lower> {
    if track_reads { Arc::new(Tracked::new(base)) } else { base }
}

/// Layers on top of a lower, all sealed.
pub(crate) fn seal_over(
    state: &State,
    mut below: Arc<dyn Lower>,
    layers: &[Layer],
) -> FsResult<Arc<dyn Lower>> {
    for layer in layers {
        below = Arc::new(Sealed::open(cap(layer_dir(state, layer)?), below)?);
    }
    Ok(below)
}

/// The view of a stack: the last layer is the upper.
pub(crate) fn view_over(
    state: &State,
    below: Arc<dyn Lower>,
    layers: &[Layer],
    options: ViewOptions,
) -> FsResult<View> {
    let Some((upper, sealed)) = layers.split_last() else {
        return Err(brio_session::FsError::Invalid);
    };
    let below = seal_over(state, below, sealed)?;
    View::open(cap(layer_dir(state, upper)?), below, options)
}

/// A session's view.
pub(crate) fn view(state: &Arc<State>, meta: &Meta, options: ViewOptions) -> FsResult<View> {
    let base = below(base(state, meta)?, options.track_reads);
    view_over(state, base, &meta.layers, options)
}

/// A read-only one, for looking at changes.
pub(crate) fn read_only(state: &State) -> ViewOptions {
    ViewOptions { vcs: true, read_only: true, door: state.disk.0.clone(), ..ViewOptions::default() }
}
