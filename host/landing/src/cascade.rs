//! A session with its open children: they go first, the session last.

use std::sync::Arc;

use crate::lease::{Ask, Hold, Lease};
use crate::state::State;
use crate::{
    CommitError, CommitOptions, Landed, RollbackError, RolledBack, SessionError, SessionId, commit,
    heads, meta, rollback,
};

/// A session's open children, oldest first.
fn children(state: &State, id: &SessionId) -> Result<Vec<SessionId>, SessionError> {
    let mut out = Vec::new();
    for child in meta::children(state, id)? {
        out.push((meta::load(state, &child)?.created, child));
    }
    out.sort();
    Ok(out.into_iter().map(|(_, child)| child).collect())
}

/// See [`Domain::commit`](crate::Domain::commit).
pub(crate) fn commit(
    state: &Arc<State>,
    id: &SessionId,
    options: &CommitOptions,
) -> Result<Landed, CommitError> {
    // What lands in a session breaks its seal: with open children it is refused.
    if !options.cascade || options.sealed.is_some() {
        return commit::commit(state, id, options);
    }
    // What would not land itself takes no children first.
    let m = meta::load_open(state, id)?;
    if m.parent.is_none() && !children(state, id)?.is_empty() && heads::of(state, &m)?.is_none() {
        state.may_land_session(id)?;
    }
    if options.stop {
        // Its children land in it while nobody writes there.
        drop(Lease::take(state, id, Ask::stop_if(true), Hold::Brief("commit"))?);
    }
    let mut first = Vec::new();
    let landed = land_children(state, id, options, &mut first)
        .and_then(|()| commit::commit(state, id, options));
    finish(landed, first)
}

/// The children of a child that is committed into a session that is being written.
pub(crate) fn below(
    state: &Arc<State>,
    id: &SessionId,
    options: &CommitOptions,
    land: impl FnOnce() -> Result<Landed, CommitError>,
) -> Result<Landed, CommitError> {
    let mut first = Vec::new();
    let landed = match options.cascade {
        true if options.sealed.is_none() => {
            land_children(state, id, options, &mut first).and_then(|()| land())
        }
        _ => land(),
    };
    finish(landed, first)
}

fn finish(
    landed: Result<Landed, CommitError>,
    first: Vec<SessionId>,
) -> Result<Landed, CommitError> {
    match landed {
        Ok(landed) => Ok(Landed { children: first, ..landed }),
        Err(source) if first.is_empty() => Err(source),
        Err(source) => Err(CommitError::Cascade { landed: first, source: Box::new(source) }),
    }
}

fn land_children(
    state: &Arc<State>,
    id: &SessionId,
    options: &CommitOptions,
    landed: &mut Vec<SessionId>,
) -> Result<(), CommitError> {
    for child in children(state, id)? {
        land_children(state, &child, options, landed)?;
        commit::commit(state, &child, options)?;
        landed.push(child);
    }
    Ok(())
}

/// See [`Domain::rollback`](crate::Domain::rollback).
pub(crate) fn rollback(
    state: &Arc<State>,
    id: &SessionId,
    stop: bool,
) -> Result<(RolledBack, Vec<SessionId>), RollbackError> {
    let mut gone = Vec::new();
    let mut bytes_freed = 0;
    match throw_away(state, id, stop, &mut gone, &mut bytes_freed) {
        Ok(()) => {
            // The last one is the session itself.
            gone.pop();
            Ok((RolledBack { bytes_freed }, gone))
        }
        Err(source) if gone.is_empty() => Err(source),
        Err(source) => Err(RollbackError::Cascade { rolled_back: gone, source: Box::new(source) }),
    }
}

/// Leaves first, the youngest first.
fn throw_away(
    state: &Arc<State>,
    id: &SessionId,
    stop: bool,
    gone: &mut Vec<SessionId>,
    freed: &mut u64,
) -> Result<(), RollbackError> {
    let below = match children(state, id) {
        Ok(below) => below,
        // What cannot be read can still be thrown away; a child of it cannot be open.
        Err(SessionError::Corrupt { .. }) => Vec::new(),
        Err(e) => return Err(e.into()),
    };
    for child in below.into_iter().rev() {
        throw_away(state, &child, stop, gone, freed)?;
    }
    *freed += rollback::rollback(state, id, stop)?.bytes_freed;
    gone.push(id.clone());
    Ok(())
}
