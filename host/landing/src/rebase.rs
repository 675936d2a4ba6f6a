//! A session's changes on the base as it is now: the one primitive of every policy but `reject`.
//!
//! A rebase makes a fresh layer, which no session lists, over the base as of the last landing
//! (a child's: over its parent's layers), and makes every change there again. What it gives is
//! a stack that conflicts with nothing; who asked for it lands it, writes it down, or drops it.

use std::collections::BTreeMap;
use std::sync::Arc;

use brio_session::{FsError, FsResult, Lower, RelPath, Time, View, ViewOptions};

use crate::begin::{self, fs_io};
use crate::errors::Doing;
use crate::merge::Resolution;
use crate::meta::{Layer, Meta, cap, layer_dir};
use crate::replay::{Replay, Stuck};
use crate::state::State;
use crate::versions::Versions;
use crate::{
    BeginError, CommitError, HostError, Isolation, LowerInfo, SessionError, SessionId, TreeInfo,
    layers, meta,
};

/// What the paths in conflict are to be, relative to what the session branches. Every other
/// path is as the session has it.
pub(crate) type Resolutions = BTreeMap<RelPath, Resolution>;

/// A new upper that no session lists: its directory goes when this is dropped, unless it is kept.
pub(crate) struct Fresh {
    state: Arc<State>,
    layer: Layer,
    /// The base as of which landing it is for, and its T0.
    pub(crate) landing: u64,
    pub(crate) t0: Time,
    /// What it lies on.
    lower: LowerInfo,
    /// The session notes what it reads.
    tracked: bool,
    kept: bool,
}

impl Fresh {
    /// Makes the layer as a begin does: with the number of the last landing, under the lock
    /// under which none seals.
    pub(crate) fn on_base(state: &Arc<State>, m: &Meta) -> Result<Self, CommitError> {
        let (_lock, value) = begin::quiet(state).map_err(quiet_error)?;
        let mut fresh = Self::make(state, m, value.landing())?;
        fresh.tracked = m.isolation == Isolation::Serializable;
        Ok(fresh)
    }

    /// Makes the layer for a child, whose base is its parent's.
    pub(crate) fn on_parent(state: &Arc<State>, child: &Meta) -> Result<Self, CommitError> {
        let mut fresh = Self::make(state, child, child.landing)?;
        // Its base paths are judged from when its family began.
        fresh.t0 = child.t0;
        Ok(fresh)
    }

    /// Makes the layer for a session that is put on another tree.
    pub(crate) fn on_tree(
        state: &Arc<State>,
        m: &Meta,
        tree: &TreeInfo,
    ) -> Result<Self, CommitError> {
        let mut fresh = Self::make(state, m, m.landing)?;
        fresh.lower = LowerInfo::Tree(tree.clone());
        fresh.tracked = m.isolation == Isolation::Serializable;
        Ok(fresh)
    }

    fn make(state: &Arc<State>, m: &Meta, landing: u64) -> Result<Self, CommitError> {
        let what = &m.id;
        let layer = Layer { session: m.id.clone(), n: m.next_layer() };
        let dir = meta::dir(state, what).doing(what)?;
        let name = meta::layer_name(layer.n);
        // What a crash left of an earlier attempt.
        state.disk.remove_tree(&dir, name.as_bytes()).doing(what)?;
        let mut fresh = Self {
            state: state.clone(),
            layer,
            landing,
            t0: Time::default(),
            // What a frozen copy held is in the changes; the base is seen live from here on.
            lower: LowerInfo::Live,
            tracked: false,
            kept: false,
        };
        state.disk.mkdir(&dir, name.as_bytes(), 0o700).doing(what)?;
        let made = layer_dir(state, &fresh.layer).doing(what)?;
        fresh.t0 = View::create_layer(&cap(made), &state.disk.0)
            .map_err(|e| HostError::new(what, fs_io(e)))?;
        Ok(fresh)
    }

    /// A session's record as it would be on this stack.
    pub(crate) fn stack(&self, m: &Meta) -> Meta {
        Meta {
            landing: self.landing,
            t0: self.t0,
            layers: vec![self.layer.clone()],
            inherited: 0,
            lower: self.lower.clone(),
            lower_at: None,
            ..m.clone()
        }
    }

    /// The layer.
    pub(crate) fn layer(&self) -> &Layer {
        &self.layer
    }

    /// It is listed now, or went with its session.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }

    /// Makes a session's changes again in this layer, over `below`. `synced`: durable when it
    /// returns.
    ///
    /// # Errors
    /// [`Stuck::Moved`] when something else changed what lies below meanwhile.
    pub(crate) fn replay(
        &self,
        below: Arc<dyn Lower>,
        versions: &Versions<'_>,
        resolutions: &Resolutions,
        synced: bool,
    ) -> Result<(), Stuck> {
        let at_root = |source| Stuck::View(RelPath::root(), source);
        // What is kept has a record of reads, as every layer of such a session has: an empty one.
        let track = synced && self.tracked;
        let view = self.open(layers::below(below, track), track).map_err(at_root)?;
        view.unnoted(|| Replay::new(&view, versions, resolutions).run())?;
        if synced {
            view.sync().map_err(at_root)?;
        }
        Ok(())
    }

    fn open(&self, below: Arc<dyn Lower>, track_reads: bool) -> FsResult<View> {
        let door = self.state.disk.0.clone();
        let options = ViewOptions { vcs: true, door, track_reads, ..ViewOptions::default() };
        View::open(cap(layer_dir(&self.state, &self.layer)?), below, options)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.kept
            && !listed(&self.state, &self.layer)
            && let Err(e) = remove(&self.state, &self.layer)
        {
            tracing::warn!("a layer that is not needed was not removed: {e}");
        }
    }
}

pub(crate) fn quiet_error(e: BeginError) -> CommitError {
    match e {
        BeginError::Domain(e) => e.into(),
        BeginError::Io(e) => e.into(),
        e => HostError::new("the landing sequence", std::io::Error::other(e)).into(),
    }
}

/// Whether a session lists a layer of its own, or its parent does: a replacement of `meta.json`
/// may have been done although it was reported as failed. What cannot be told stays.
fn listed(state: &State, layer: &Layer) -> bool {
    let lists = |id: &SessionId| match meta::load(state, id) {
        Ok(m) => (m.lists(layer), m.parent),
        Err(SessionError::Ended { .. } | SessionError::Unknown { .. }) => (false, None),
        Err(_) => (true, None),
    };
    let (own, parent) = lists(&layer.session);
    own || parent.is_some_and(|p| lists(&p).0)
}

/// Deletes a layer. The caller knows that nothing lists it.
pub(crate) fn remove(state: &State, layer: &Layer) -> std::io::Result<()> {
    let dir = match meta::dir(state, &layer.session) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        r => r?,
    };
    meta::remove_layer(state, &dir, layer.n)
}

/// What stopped a replay, as the commit's error; `None`: try again.
pub(crate) fn stuck(session: &SessionId, subdir: &RelPath, e: Stuck) -> Option<CommitError> {
    match e {
        Stuck::Moved => None,
        Stuck::View(_, FsError::SnapshotGone) => {
            Some(CommitError::SnapshotGone { session: session.clone() })
        }
        Stuck::View(path, source) => {
            Some(CommitError::View { path: subdir.join_path(&path), source })
        }
        Stuck::Refused(path, why) => {
            Some(CommitError::Refused { path: subdir.join_path(&path), why })
        }
    }
}
