//! Throwing a session away. Works on a full disk.

use std::sync::Arc;

use crate::errors::{Doing, is_full};
use crate::finish::{discard, empty_trash};
use crate::lease::{Ask, Hold, Lease};
use crate::state::State;
use crate::{
    RollbackError, RolledBack, SessionError, SessionId, gc, heads, isolation, meta, recover,
};

/// See [`Domain::rollback`](crate::Domain::rollback).
pub(crate) fn rollback(
    state: &Arc<State>,
    id: &SessionId,
    stop: bool,
) -> Result<RolledBack, RollbackError> {
    let full = |r: &Result<RolledBack, RollbackError>| match r {
        Err(RollbackError::Io(e)) => is_full(&e.source),
        Err(RollbackError::Lease(crate::LeaseError::Io(e))) => is_full(&e.source),
        _ => false,
    };
    let done = attempt(state, id, stop);
    if !full(&done) {
        return done;
    }
    state.give_up_reserve();
    let done = attempt(state, id, stop);
    state.restore_reserve();
    done
}

fn attempt(state: &Arc<State>, id: &SessionId, stop: bool) -> Result<RolledBack, RollbackError> {
    let lease = Lease::take(state, id, Ask::stop_if(stop), Hold::Brief("rollback"))?;
    let known = match meta::load_open(state, id) {
        Ok(m) => Some(m),
        // What cannot be read can still be thrown away.
        Err(SessionError::Corrupt { .. }) => None,
        Err(e) => return Err(e.into()),
    };
    let children = meta::children(state, id)?;
    if !children.is_empty() {
        return Err(RollbackError::OpenChildren { session: id.clone(), children });
    }
    let stored = match &known {
        Some(m) => heads::may_go(state, m)?,
        None => None,
    };
    let lock = state.exclusive()?;
    // A sealed landing of it that was interrupted is completed or undone first.
    recover::settle(state, &lock).map_err(|e| crate::DomainError::from(Box::new(e)))?;
    if meta::dir(state, id).is_err() {
        return Err(crate::journal::ended(state, id).into());
    }
    if let Some(m) = &known {
        isolation::join(state, m)?;
    }
    // The audit trail first: without it nothing is thrown away.
    let mut entry = state.entry("rolled-back", Some(id));
    if let Some(m) = known {
        (entry.goal, entry.agent, entry.task_id) =
            (m.metadata.goal, m.metadata.agent, m.metadata.task_id);
        entry.parent = m.parent;
    }
    state.write_journal(&entry).doing("the journal")?;
    discard(state, id).doing(id)?;
    let mut freed = gc::collect(state, &lock).doing("pre-images")?;
    drop(lock);
    // Unlinking its open lease file frees nothing before it is closed.
    drop(lease);
    freed += empty_trash(state).doing(id)?;
    if let (Some(heads), Some(was)) = (&state.options.heads, stored) {
        heads.gone(&was);
    }
    Ok(RolledBack { bytes_freed: freed })
}
