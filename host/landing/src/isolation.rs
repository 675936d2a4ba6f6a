//! What a commit validates besides what it changes.
//!
//! Under `serializable` a commit is refused if anything that the session read is no longer so:
//! then all of it could have happened in the instant of the commit, after what landed before.
//! Reads are noted by the view, per layer; a child's lie in its layers, which become its parent's,
//! and those of a child that was thrown away are joined to its parent by name: what was learned
//! from it may have decided what the parent did.

use std::os::fd::AsFd;
use std::sync::Arc;

use brio_session::{ReadSet, RelPath, View};
use serde::{Deserialize, Serialize};

use crate::errors::Doing;
use crate::intent::{decode, encode};
use crate::meta::{self, Meta};
use crate::state::State;
use crate::{CommitError, CommitOptions, HostError, SessionId, disk, layers, nesting};

const MAGIC: &[u8; 8] = b"BRIOJOIN";
/// Before the id of a session that was rolled back: what it read.
const JOINED: &str = "joined-";

/// What others may have done meanwhile for a commit to be accepted.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Anything but changes of what the session changed: what it wrote is validated.
    #[default]
    Snapshot,
    /// Nothing that would have shown the session something else: what it read (contents,
    /// metadata, listings, absences) is validated too.
    Serializable,
}

impl Isolation {
    /// As it is written on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Serializable => "serializable",
        }
    }
}

/// A word that names no isolation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no isolation (snapshot, serializable)")]
pub struct BadIsolation(pub String);

impl std::str::FromStr for Isolation {
    type Err = BadIsolation;

    fn from_str(text: &str) -> Result<Self, BadIsolation> {
        [Self::Snapshot, Self::Serializable]
            .into_iter()
            .find(|i| i.as_str() == text)
            .ok_or_else(|| BadIsolation(text.to_owned()))
    }
}

/// Whether a commit validates what was read.
pub(crate) fn wanted(m: &Meta, options: &CommitOptions) -> bool {
    options.isolation.unwrap_or(m.isolation) == Isolation::Serializable
}

/// A commit can only ask for what was tracked from the begin.
pub(crate) fn admit(m: &Meta, options: &CommitOptions) -> Result<(), CommitError> {
    if wanted(m, options) && m.isolation != Isolation::Serializable {
        return Err(CommitError::NotTracked { session: m.id.clone() });
    }
    Ok(())
}

/// What was read in the layers of a view of the session, and by children that are gone; with
/// paths of the session's directory.
pub(crate) fn reads(state: &State, m: &Meta, view: &View) -> Result<ReadSet, CommitError> {
    let fail = |source| CommitError::View { path: m.subdir.clone(), source };
    let mut set = view.reads().map_err(fail)?;
    for id in nesting::family(m) {
        for joined in joined(state, id).doing(id)? {
            set.merge(joined);
        }
    }
    Ok(set)
}

fn joined(state: &State, id: &SessionId) -> std::io::Result<Vec<ReadSet>> {
    let dir = meta::dir(state, id)?;
    let mut out = Vec::new();
    for name in disk::names(&dir)? {
        if name.starts_with(JOINED.as_bytes())
            && !name.ends_with(b".new")
            && let Some(raw) = disk::read(&dir, &name)?
        {
            let whole = ReadSet { whole: true, ..ReadSet::default() };
            // One that is torn does not say what was read.
            out.push(decode(MAGIC, &raw).unwrap_or(whole));
        }
    }
    Ok(out)
}

/// Before a session's layers give way to one that was made of them: what was read in them stays
/// known, but for what was settled there.
pub(crate) fn carry<'a>(
    state: &Arc<State>,
    m: &Meta,
    settled: impl Iterator<Item = &'a RelPath>,
) -> Result<(), CommitError> {
    if m.isolation != Isolation::Serializable {
        return Ok(());
    }
    let fail = |source| CommitError::View { path: m.subdir.clone(), source };
    let view = layers::view(state, m, layers::read_only(state)).map_err(fail)?;
    let mut set = reads(state, m, &view)?;
    for path in settled {
        set.paths.remove(path);
    }
    let raw = encode(MAGIC, &set).doing(&m.id)?;
    let dir = meta::dir(state, &m.id).doing(&m.id)?;
    let name = format!("{JOINED}{}", m.id);
    Ok(state.disk.replace(dir.as_fd(), name.as_bytes(), &raw, true).doing(&m.id)?)
}

/// Before a child goes: what it read becomes part of what its parent read.
pub(crate) fn join(state: &Arc<State>, child: &Meta) -> Result<(), HostError> {
    let Some(parent) = &child.parent else { return Ok(()) };
    if child.isolation != Isolation::Serializable {
        return Ok(());
    }
    let known = layers::view(state, child, layers::read_only(state))
        .ok()
        .and_then(|view| reads(state, child, &view).ok());
    let set = known.unwrap_or(ReadSet { whole: true, ..ReadSet::default() });
    let raw = encode(MAGIC, &set).doing(&child.id)?;
    let dir = meta::dir(state, parent).doing(parent)?;
    let name = format!("{JOINED}{}", child.id);
    state.disk.replace(dir.as_fd(), name.as_bytes(), &raw, false).doing(parent)
}
