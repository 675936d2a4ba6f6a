//! Removing what crashes left: trash, staging that nobody seals, half-made sessions, undos that
//! nobody finishes, layers that no session lists.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use crate::disk;
use crate::errors::Doing;
use crate::finish::{discard, empty_some};
use crate::lease::{self, Ask, Hold, Lease};
use crate::lock::Lock;
use crate::lower;
use crate::meta;
use crate::nesting::family;
use crate::state::State;
use crate::{SessionError, SessionId};

/// How many entries who opens a domain removes: nobody waits for the end of a large one.
const BRIEFLY: usize = 1000;

/// Trash, and staging of sessions that nobody commits.
pub(crate) fn tidy(state: &State) -> io::Result<u64> {
    some(state, usize::MAX)
}

/// As [`tidy`], as far as it goes at once. The next one goes on.
pub(crate) fn briefly(state: &State) -> io::Result<u64> {
    some(state, BRIEFLY)
}

fn some(state: &State, mut budget: usize) -> io::Result<u64> {
    let mut freed = empty_some(state, &mut budget)?;
    for name in disk::names(&state.staging)? {
        freed += match lower::sweep(state, &name)? {
            Some(bytes) => bytes,
            None if is_dead(state, &name) => {
                state.disk.remove_some(&state.staging, &name, &mut budget)?
            }
            None => 0,
        };
    }
    Ok(freed)
}

/// Whether nobody commits the session that this was staged for.
fn is_dead(state: &State, name: &[u8]) -> bool {
    // "sess-<uuid>-<nonce>"
    let id = std::str::from_utf8(name).ok().and_then(|n| n.rsplit_once('-')).map(|(id, _)| id);
    !id.and_then(|id| id.parse::<SessionId>().ok()).is_some_and(|id| {
        // A session that has ended holds no lease, and stages nothing.
        meta::dir(state, &id).is_ok() && !lease::is_free(state, &id)
    })
}

/// What [`tidy`] would free.
pub(crate) fn forecast(state: &State) -> io::Result<u64> {
    let (mut seen, mut bytes) = (HashSet::new(), 0);
    for name in disk::names(&state.trash)? {
        bytes += disk::usage(&state.trash, &name, &mut seen)?;
    }
    for name in disk::names(&state.staging)? {
        if lower::is_swept(state, &name)?.unwrap_or_else(|| is_dead(state, &name)) {
            bytes += disk::usage(&state.staging, &name, &mut seen)?;
        }
    }
    Ok(bytes)
}

/// Half-made sessions, under the exclusive lock: a begin holds it shared. What a power cut left of
/// a begin that was not synced. And the sessions of
/// undos that died: whoever makes one takes its lease under the shared lock.
pub(crate) fn half_made(state: &State, _lock: &Lock) -> io::Result<()> {
    for name in disk::names(&state.sessions)? {
        if name.starts_with(b".sess-") {
            state.disk.remove_tree(&state.sessions, &name)?;
        }
    }
    for id in meta::list(state)? {
        if meta::is_empty(state, &id)? {
            // Nothing of it was ever synced, or its records were as well.
            let mut entry = state.entry("rolled-back", Some(&id));
            entry.detail = Some(serde_json::json!({ "why": "a power cut took its records" }));
            state.write_journal(&entry)?;
            discard(state, &id)?;
            continue;
        }
        let undo = meta::load(state, &id).is_ok_and(|m| m.undo_of.is_some());
        if undo && lease::is_free(state, &id) {
            discard(state, &id)?;
        }
    }
    Ok(())
}

/// Layers that no session lists: a crash came between making one and listing it. A session that
/// somebody works in is left alone.
pub(crate) fn layers(state: &Arc<State>, dry: bool) -> Result<u64, SessionError> {
    let mut freed = 0;
    for id in meta::list(state).doing("sessions")? {
        if meta::load_open(state, &id).is_err() {
            continue;
        }
        // Who adds layers to a session, or branches it, holds its lease.
        let Ok(_lease) = Lease::take(state, &id, Ask::Refuse, Hold::Aside) else { continue };
        let Ok(m) = meta::load_open(state, &id) else { continue };
        let Some(listed) = listed(state).doing("sessions")? else { break };
        for id in family(&m) {
            freed += unlisted(state, id, &listed, dry).doing(id)?;
        }
    }
    Ok(freed)
}

/// `None`: a session cannot be read, so it cannot be said what it lists.
fn listed(state: &State) -> io::Result<Option<HashSet<(SessionId, u32)>>> {
    let mut listed = HashSet::new();
    for id in meta::list(state)? {
        match meta::load(state, &id) {
            Ok(m) => listed.extend(m.all_layers().map(|l| (l.session.clone(), l.n))),
            Err(SessionError::Ended { .. } | SessionError::Unknown { .. }) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(listed))
}

fn unlisted(
    state: &State,
    id: &SessionId,
    listed: &HashSet<(SessionId, u32)>,
    dry: bool,
) -> io::Result<u64> {
    let dir = match meta::dir(state, id) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        r => r?,
    };
    let mut freed = 0;
    for layer in meta::own_layers(&dir, id)? {
        if listed.contains(&(layer.session, layer.n)) {
            continue;
        }
        freed += meta::layer_usage(&dir, layer.n)?;
        if !dry {
            meta::remove_layer(state, &dir, layer.n)?;
        }
    }
    Ok(freed)
}
