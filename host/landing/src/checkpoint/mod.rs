//! Checkpoints: a session's stack, remembered under a name, and the way back to it.
//!
//! A checkpoint lists layers that are sealed and synced, so it never changes; the writes that
//! follow go to a layer above. A restore replaces `meta.json`, which is all that says what the
//! session is: it is wholly the one or wholly the other state, whenever it is cut off.

mod error;

use std::sync::Arc;

use brio_session::{RelPath, Time, View};
use serde::{Deserialize, Serialize};

pub use error::CheckpointError;

use crate::begin::fs_io;
use crate::errors::Doing;
use crate::meta::{Layer, Meta};
use crate::state::State;
use crate::{LowerInfo, SessionId, finish, layers, manifest, meta, nesting};

/// What a restore leaves of the state that it left; replaced each time.
pub const BEFORE_RESTORE: &str = "before-restore";

/// How many checkpoints a session may have: each may be one more layer to look through.
const MOST: usize = 64;

/// A session's stack, as `meta.json` remembers it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) name: String,
    pub(crate) created: Time,
    /// As the session's own, when it was made.
    pub(crate) landing: u64,
    pub(crate) t0: Time,
    pub(crate) dirs: Vec<u64>,
    /// Bottom up, all sealed.
    pub(crate) layers: Vec<Layer>,
    pub(crate) inherited: usize,
    /// The machine had gone down before these layers were synced.
    #[serde(default)]
    pub(crate) torn: bool,
    /// As the session's own.
    #[serde(default)]
    pub(crate) unresolved: Vec<RelPath>,
    /// What lies below the layers: a resolve puts a session on the live base.
    #[serde(default)]
    pub(crate) lower: LowerInfo,
    #[serde(default)]
    pub(crate) lower_at: Option<SessionId>,
}

/// A checkpoint of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// Its name, unique in the session.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
    /// The landing of the base that the session saw then.
    pub landing: u64,
}

impl From<&Checkpoint> for CheckpointInfo {
    fn from(c: &Checkpoint) -> Self {
        Self { name: c.name.clone(), created_at: c.created, landing: c.landing }
    }
}

fn remember(state: &State, m: &Meta, name: &str, layers: Vec<Layer>) -> Checkpoint {
    Checkpoint {
        name: name.to_owned(),
        created: state.now(),
        landing: m.landing,
        t0: m.t0,
        dirs: m.dirs.clone(),
        layers,
        inherited: m.inherited,
        torn: m.unclean(&state.options.boot_id),
        unresolved: m.unresolved.clone(),
        lower: m.lower.clone(),
        lower_at: m.lower_at.clone(),
    }
}

fn check_name(name: &str) -> Result<(), CheckpointError> {
    let plain = |b: u8| b.is_ascii_alphanumeric();
    let ok = name.len() <= 64
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
        && name != BEFORE_RESTORE;
    if ok { Ok(()) } else { Err(CheckpointError::Name { name: name.to_owned() }) }
}

fn find(m: &Meta, name: &str) -> Result<Checkpoint, CheckpointError> {
    let found = m.checkpoints.iter().find(|c| c.name == name).cloned();
    found.ok_or_else(|| CheckpointError::Unknown {
        session: m.id.clone(),
        name: name.to_owned(),
        names: m.checkpoints.iter().map(|c| c.name.clone()).collect(),
    })
}

/// Makes a checkpoint, durably. The caller holds the session's lease; `live` is its view, if
/// it is being written.
pub(crate) fn make(
    state: &State,
    id: &SessionId,
    name: &str,
    live: Option<&View>,
) -> Result<CheckpointInfo, CheckpointError> {
    check_name(name)?;
    let mut m = meta::load_open(state, id)?;
    if m.checkpoints.iter().any(|c| c.name == name) {
        return Err(CheckpointError::Exists { session: id.clone(), name: name.to_owned() });
    }
    if m.checkpoints.iter().filter(|c| c.name != BEFORE_RESTORE).count() >= MOST {
        return Err(CheckpointError::TooMany { session: id.clone(), most: MOST });
    }
    let boot = &state.options.boot_id;
    let mut made = remember(state, &m, name, Vec::new());
    let gate = live.map(View::gate);
    made.layers = nesting::written(state, &m, live)?;
    let layers = m.layers.len();
    let synced = m.clean && m.boot == *boot && live.is_none();
    if made.layers.len() == layers {
        match live {
            Some(_) => nesting::restack(state, &mut m, &[], gate.as_ref())?,
            None => m.layers.push(nesting::new_layer(state, &m)?.0),
        }
    }
    drop(gate);
    if made.layers.len() == layers || !synced {
        state.disk.sync_fs(&state.sessions).doing(id)?;
    }
    let info = CheckpointInfo::from(&made);
    m.torn = made.torn;
    if live.is_none() {
        (m.clean, m.boot) = (true, boot.clone());
    }
    m.checkpoints.push(made);
    meta::store_surely(state, &m, true).doing(id)?;
    note(state, "checkpoint", id, name);
    Ok(info)
}

/// Comes back to a checkpoint, durably. As [`make`].
pub(crate) fn restore(
    state: &Arc<State>,
    id: &SessionId,
    name: &str,
    live: Option<&View>,
) -> Result<CheckpointInfo, CheckpointError> {
    let m = meta::load_open(state, id)?;
    let to = find(&m, name)?;
    fits(state, &m, &to)?;
    let gate = live.map(View::gate);
    let before = remember(state, &m, BEFORE_RESTORE, nesting::written(state, &m, live)?);
    let (upper, layer) = nesting::new_layer(state, &m)?;
    let mut new = m;
    new.layers = to.layers.clone();
    (new.landing, new.t0, new.dirs, new.inherited) =
        (to.landing, to.t0, to.dirs.clone(), to.inherited);
    (new.torn, new.conflicted) = (to.torn, false);
    new.unresolved.clone_from(&to.unresolved);
    new.lower.clone_from(&to.lower);
    new.lower_at.clone_from(&to.lower_at);
    (new.clean, new.boot) = (live.is_none(), state.options.boot_id.clone());
    new.checkpoints.retain(|c| c.name != BEFORE_RESTORE);
    new.checkpoints.push(before);
    let view = |source| CheckpointError::View { id: id.clone(), source };
    let prepared = match &gate {
        Some(gate) => {
            let base = layers::base(state, &new).map_err(view)?;
            let base = layers::below(base, live.is_some_and(View::tracks_reads));
            let below = layers::seal_over(state, base, &new.layers).map_err(view)?;
            Some(gate.prepare(layer, below).map_err(view)?)
        }
        None => None,
    };
    new.layers.push(upper);
    // Both sides: what is left, and what the restored state stands on.
    state.disk.sync_fs(&state.sessions).doing(id)?;
    let stored = meta::store_surely(state, &new, true);
    // The view follows what the disk says, whatever was reported about it.
    if let (Some(gate), Some(prepared)) = (gate, prepared)
        && (stored.is_ok() || meta::is_stored(state, &new))
    {
        gate.switch(prepared);
    }
    stored.doing(id)?;
    note(state, "restored", id, name);
    tidy(state, &mut new);
    if live.is_none() {
        describe(state, &new);
    }
    Ok(CheckpointInfo::from(&to))
}

/// Deletes a checkpoint, and the layers that only it listed. As [`make`].
pub(crate) fn delete(state: &State, id: &SessionId, name: &str) -> Result<(), CheckpointError> {
    let mut m = meta::load_open(state, id)?;
    find(&m, name)?;
    m.checkpoints.retain(|c| c.name != name);
    meta::store_surely(state, &m, true).doing(id)?;
    note(state, "checkpoint-deleted", id, name);
    tidy(state, &mut m);
    Ok(())
}

/// Whether the session can be on a checkpoint's stack: its open children must still stand on
/// layers of it, and it on layers of its parent.
fn fits(state: &State, m: &Meta, to: &Checkpoint) -> Result<(), CheckpointError> {
    let mut children = Vec::new();
    for child in meta::children(state, &m.id)? {
        let c = meta::load(state, &child)?;
        if to.layers.get(..c.inherited) != c.layers.get(..c.inherited) {
            children.push(child);
        }
    }
    let (session, name) = (m.id.clone(), to.name.clone());
    if !children.is_empty() {
        return Err(CheckpointError::OpenChildren { session, name, children });
    }
    if let Some(parent) = &m.parent {
        let p = meta::load_open(state, parent)?;
        if p.layers.get(..to.inherited) != to.layers.get(..to.inherited) {
            let parent = parent.clone();
            return Err(CheckpointError::ParentRestored { session, name, parent });
        }
    }
    Ok(())
}

/// What follows from a new stack, and harms nobody if it is cut off: the next one does it.
pub(crate) fn tidy(state: &State, m: &mut Meta) {
    let done = sweep(state, m).and_then(|()| finish::empty_trash(state).map(drop));
    if let Err(e) = done {
        tracing::warn!("layers of {} that nothing lists were not removed: {e}", m.id);
    }
}

/// Removes layers, and directories of landed children, that neither the stack nor a
/// checkpoint lists. The caller holds the lease: nobody is making a layer.
fn sweep(state: &State, m: &mut Meta) -> std::io::Result<()> {
    let dir = meta::dir(state, &m.id)?;
    for layer in meta::own_layers(&dir, &m.id)? {
        if !m.lists(&layer) {
            meta::remove_layer(state, &dir, layer.n)?;
        }
    }
    let gone: Vec<SessionId> =
        m.absorbed.iter().filter(|a| !m.all_layers().any(|l| l.session == **a)).cloned().collect();
    if gone.is_empty() {
        return Ok(());
    }
    for id in &gone {
        let name = id.as_str().as_bytes();
        match state.disk.rename(&state.sessions, name, &state.trash, name) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            r => r?,
        }
    }
    m.absorbed.retain(|a| !gone.contains(a));
    meta::store(state, &m.id, m, false)
}

/// The manifest of a session that nobody writes tells the state that was restored.
fn describe(state: &Arc<State>, m: &Meta) {
    let view = layers::view(state, m, layers::read_only(state)).map_err(fs_io);
    if let Err(e) = view.and_then(|view| manifest::write(state, m, &view, || false)) {
        tracing::warn!("the manifest of {} was not written: {e}", m.id);
    }
}

fn note(state: &State, what: &str, id: &SessionId, name: &str) {
    let mut entry = state.entry(what, Some(id));
    entry.detail = Some(serde_json::json!({ "checkpoint": name }));
    state.note(&entry);
}
