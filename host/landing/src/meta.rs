//! A session's directory on disk: `meta.json` and its layers.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use brio_session::{RelPath, Time};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::disk::{self};
use crate::look::Look;
use crate::state::{NOTES, State};
use crate::{Isolation, LowerInfo, Metadata, SessionError, SessionId, elsewhere};

pub(crate) const META: &[u8] = b"meta.json";
const INDEX: &[u8] = brio_session::INDEX.as_bytes();
/// An empty file beside `meta.json`: pre-images that the session needs are gone. It is apart so
/// that whoever rewrites `meta.json` cannot lose it.
pub(crate) const STALE: &[u8] = b"stale";

/// Content of `sessions/<id>/meta.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) format: u32,
    pub(crate) id: SessionId,
    /// It sees the base as of this landing.
    pub(crate) landing: u64,
    pub(crate) t0: Time,
    pub(crate) created: Time,
    #[serde(flatten)]
    pub(crate) metadata: Metadata,
    /// The directory it branches, with the inodes from the domain's root down to it.
    pub(crate) subdir: RelPath,
    pub(crate) dirs: Vec<u64>,
    pub(crate) parent: Option<SessionId>,
    /// Bottom up; the last is the upper. A child's list begins with its parent's.
    pub(crate) layers: Vec<Layer>,
    /// How many of them are the parent's.
    pub(crate) inherited: usize,
    /// Children that landed in it: their directories hold layers of it.
    #[serde(default)]
    pub(crate) absorbed: Vec<SessionId>,
    /// Stacks that it can be put back on.
    #[serde(default)]
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// What its commit validates: with `serializable`, what is read in it is noted.
    #[serde(default)]
    pub(crate) isolation: Isolation,
    /// It was synced by its last writer.
    pub(crate) clean: bool,
    /// The boot in which that was, or in which it was last written.
    pub(crate) boot: String,
    /// The machine once went down before a sync; sticky.
    #[serde(default)]
    pub(crate) torn: bool,
    #[serde(default)]
    pub(crate) conflicted: bool,
    /// Files in which a resolve put conflict markers, relative to `subdir`.
    #[serde(default)]
    pub(crate) unresolved: Vec<RelPath>,
    #[serde(default)]
    pub(crate) stale: bool,
    #[serde(default)]
    pub(crate) adopted: bool,
    /// What it sees of the base.
    #[serde(default)]
    pub(crate) lower: LowerInfo,
    /// The session whose directory holds the frozen copy.
    #[serde(default)]
    pub(crate) lower_at: Option<SessionId>,
    /// Patterns of what it leaves out.
    #[serde(default)]
    pub(crate) excludes: Vec<String>,
    /// The landing that it undoes: it is an undo's, and goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undo_of: Option<u64>,
    /// What of it a store has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pushed: Option<Pushed>,
}

/// What a store has of a session that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Which push that was.
    pub seq: u64,
    /// What the session looked like: a tree.
    pub tree: String,
    /// The position of the head that it stood on.
    pub position: u64,
    /// Attempts at a push since then that were begun, and whose end is not known here. Each of
    /// them may have been done, and the newest ones may be done yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<String>,
    /// Attempts at a landing that were begun, and whose end is not known here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub landings: Vec<LandingAttempt>,
}

/// An attempt at a landing on a project's head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandingAttempt {
    /// Its id: that of the landing, if it was done.
    pub id: String,
    /// The position that it has then. Once the head is there, the attempt has ended.
    pub position: u64,
}

/// One layer: which session's directory holds it, and its number there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layer {
    pub(crate) session: SessionId,
    pub(crate) n: u32,
}

impl Meta {
    /// The number of a layer that its own directory does not have yet.
    pub(crate) fn next_layer(&self) -> u32 {
        self.all_layers().filter(|l| l.session == self.id).map(|l| l.n + 1).max().unwrap_or(1)
    }

    /// The layers of its stack and of its checkpoints.
    pub(crate) fn all_layers(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().chain(self.checkpoints.iter().flat_map(|c| &c.layers))
    }

    /// Whether a layer's directory must stay: the stack or a checkpoint lists it.
    pub(crate) fn lists(&self, layer: &Layer) -> bool {
        self.all_layers().any(|l| l == layer)
    }

    /// The oldest landing whose base it may still read, here or at a checkpoint; `None`: it
    /// reads frozen copies, or trees, only.
    pub(crate) fn oldest_read(&self) -> Option<u64> {
        let own = self.undo_of.map_or(self.landing, |k| k.saturating_sub(1));
        let own = self.lower.is_live().then_some(own);
        let live = self.checkpoints.iter().filter(|c| c.lower.is_live());
        live.map(|c| c.landing).chain(own).min()
    }

    /// The oldest landing that it, or a checkpoint of it, looks at the base as of: the pre-images
    /// of all later ones are needed. An undo needs those of the landing itself as well. What
    /// stands on a tree asks no landing for anything.
    pub(crate) fn oldest_landing(&self) -> u64 {
        let own = self.undo_of.map_or(self.landing, |k| k.saturating_sub(1));
        let own = if self.lower.tree().is_some() { u64::MAX } else { own };
        let checkpoints = self.checkpoints.iter().filter(|c| c.lower.tree().is_none());
        checkpoints.map(|c| c.landing).fold(own, u64::min)
    }

    pub(crate) fn unclean(&self, boot: &str) -> bool {
        self.torn || (!self.clean && self.boot != boot)
    }
}

/// Opens a session's directory.
pub(crate) fn dir(state: &State, id: &SessionId) -> io::Result<OwnedFd> {
    disk::open_dir(&state.sessions, id.as_str().as_bytes())
}

/// The name of a layer's directory in its session's. The first layer lies in that directory
/// itself: a begin makes one directory.
pub(crate) fn layer_name(n: u32) -> String {
    if n == 0 { ".".to_owned() } else { n.to_string() }
}

/// The layers that a session's directory holds.
pub(crate) fn own_layers(dir: impl AsFd, id: &SessionId) -> io::Result<Vec<Layer>> {
    let names = disk::names(dir)?;
    let number = |name: &Vec<u8>| match &name[..] {
        INDEX => Some(0),
        name => std::str::from_utf8(name).ok()?.parse().ok(),
    };
    Ok(names.iter().filter_map(number).map(|n| Layer { session: id.clone(), n }).collect())
}

/// Whether a name in a session's directory belongs to its layer 0.
fn is_of_layer(name: &[u8]) -> bool {
    name == NOTES || brio_session::is_layer_file(name)
}

/// What a layer takes on disk.
pub(crate) fn layer_usage(dir: impl AsFd, n: u32) -> io::Result<u64> {
    let mut seen = std::collections::HashSet::new();
    if n > 0 {
        return disk::usage(dir, layer_name(n).as_bytes(), &mut seen);
    }
    let mut bytes = 0;
    for name in disk::names(&dir)?.iter().filter(|name| is_of_layer(name)) {
        bytes += disk::usage(&dir, name, &mut seen)?;
    }
    Ok(bytes)
}

/// Removes a layer from its session's directory.
pub(crate) fn remove_layer(state: &State, dir: impl AsFd, n: u32) -> io::Result<()> {
    if n > 0 {
        return state.disk.remove_tree(dir, layer_name(n).as_bytes()).map(drop);
    }
    let mut files = disk::names(&dir)?;
    files.retain(|name| name != INDEX && is_of_layer(name));
    // Last what the layer is found by.
    for name in files.iter().map(Vec::as_slice).chain([INDEX]) {
        state.disk.remove_tree(&dir, name)?;
    }
    Ok(())
}

/// Opens a layer's directory.
pub(crate) fn layer_dir(state: &State, layer: &Layer) -> io::Result<OwnedFd> {
    let path = format!("{}/{}", layer.session, layer_name(layer.n));
    Ok(disk::open_beneath(&state.sessions, path.as_bytes(), disk::DIR, true)?)
}

/// As a handle that brio-session takes.
pub(crate) fn cap(fd: OwnedFd) -> cap_std::fs::Dir {
    cap_std::fs::Dir::from_std_file(fd.into())
}

pub(crate) fn load(state: &State, id: &SessionId) -> Result<Meta, SessionError> {
    let corrupt = |what: String| SessionError::Corrupt { id: id.clone(), what };
    let dir = match dir(state, id) {
        Ok(dir) => dir,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(crate::journal::ended(state, id));
        }
        Err(e) => return Err(crate::HostError::new(id, e).into()),
    };
    let raw = disk::read(&dir, META).map_err(|e| crate::HostError::new(id, e))?;
    let raw = raw.ok_or_else(|| corrupt("meta.json is missing".to_owned()))?;
    let mut meta: Meta = serde_json::from_slice(&raw).map_err(|e| corrupt(e.to_string()))?;
    if meta.format != crate::claim::FORMAT {
        return Err(corrupt(format!("format {}", meta.format)));
    }
    let fits = meta.checkpoints.iter().all(|c| c.inherited <= c.layers.len());
    if meta.id != *id || meta.inherited >= meta.layers.len() || !fits {
        return Err(corrupt("its meta.json does not fit".to_owned()));
    }
    meta.stale |= Look::at(&dir, STALE).map_err(|e| crate::HostError::new(id, e))?.is_some();
    Ok(meta)
}

/// Whether a session has no records: it is renamed to its place with them, so a power cut took
/// them.
pub(crate) fn is_empty(state: &State, id: &SessionId) -> io::Result<bool> {
    let found = dir(state, id).and_then(|dir| Look::at(&dir, META));
    match found {
        Ok(look) => Ok(look.is_none_or(|l| l.fingerprint().size == 0)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// As [`load`], for a session that can still be used: one that landed in its parent cannot,
/// though its directory holds layers of the parent now; nor one that landed on a project's head.
pub(crate) fn load_open(state: &State, id: &SessionId) -> Result<Meta, SessionError> {
    let meta = load(state, id)?;
    let over = meta.lower.tree().is_some()
        && elsewhere::is_over(state, id).map_err(|e| crate::HostError::new(id, e))?;
    if over || absorbed(state, &meta)? {
        return Err(SessionError::Ended { id: id.clone(), state: crate::State::Landed });
    }
    Ok(meta)
}

/// Whether a child has landed in its parent.
pub(crate) fn absorbed(state: &State, meta: &Meta) -> Result<bool, SessionError> {
    let Some(parent) = &meta.parent else { return Ok(false) };
    match load(state, parent) {
        Ok(p) => Ok(p.absorbed.contains(&meta.id) || absorbed(state, &p)?),
        // The family has ended while this directory was left behind.
        Err(SessionError::Unknown { .. } | SessionError::Ended { .. }) => Ok(true),
        Err(e) => Err(e),
    }
}

/// The open sessions that branch a session.
pub(crate) fn children(state: &State, id: &SessionId) -> Result<Vec<SessionId>, SessionError> {
    let mut out = Vec::new();
    for other in list(state).map_err(|e| crate::HostError::new("sessions", e))? {
        if state.parents.of(state, &other).as_ref() == Some(id)
            && let Ok(m) = load(state, &other)
            && !absorbed(state, &m)?
        {
            out.push(other);
        }
    }
    Ok(out)
}

/// Whose child a session is never changes, so it is read once.
#[derive(Default)]
pub(crate) struct Parents(Mutex<HashMap<SessionId, Option<SessionId>>>);

/// How many are remembered before all are forgotten.
const REMEMBERED: usize = 1 << 16;

impl Parents {
    fn of(&self, state: &State, id: &SessionId) -> Option<SessionId> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parent) = known().get(id) {
            return parent.clone();
        }
        let parent = load(state, id).ok()?.parent;
        let mut known = known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(id.clone(), parent.clone());
        parent
    }
}

pub(crate) fn store(state: &State, id: &SessionId, meta: &Meta, durable: bool) -> io::Result<()> {
    let dir = dir(state, id)?;
    state.disk.put(dir.as_fd(), META, &serde_json::to_vec(meta)?, true)?;
    if durable { state.disk.sync_dir(&dir) } else { Ok(()) }
}

/// As [`store`]. It may have been replaced although that was reported as failed: then
/// once more, so that what is reported in the end is what is there.
pub(crate) fn store_surely(state: &State, meta: &Meta, durable: bool) -> io::Result<()> {
    match store(state, &meta.id, meta, durable) {
        Err(e) if !brio_session::is_stop(&e) && is_stored(state, meta) => {
            store(state, &meta.id, meta, durable)
        }
        done => done,
    }
}

/// Whether this is what `meta.json` says.
pub(crate) fn is_stored(state: &State, meta: &Meta) -> bool {
    let there = dir(state, &meta.id).and_then(|dir| disk::read(dir, META));
    there.is_ok_and(|raw| raw.is_some() && raw == serde_json::to_vec(meta).ok())
}

/// Marks a session stale, durably: before a pre-image that it needs is unlinked.
pub(crate) fn mark_stale(state: &State, id: &SessionId) -> io::Result<()> {
    let dir = dir(state, id)?;
    match state.disk.create(&dir, STALE, 0o600) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        r => drop(r?),
    }
    state.disk.sync_dir(&dir)
}

/// The ids of all sessions that have a directory.
pub(crate) fn list(state: &State) -> io::Result<Vec<SessionId>> {
    let names = disk::names(&state.sessions)?;
    Ok(names.into_iter().filter_map(|n| String::from_utf8(n).ok()?.parse().ok()).collect())
}
