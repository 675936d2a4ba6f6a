//! A session put onto its base (a child: onto its parent) as it is now, for good: what
//! [`resolve`](crate::resolve) and [`Session::rebase`](crate::Session::rebase) have in common.

use std::sync::Arc;

use brio_session::{NewStack, RelPath, WriteGate};

use crate::commit::{admit, entry, lands_here, note_conflict};
use crate::errors::Doing;
use crate::lease::{Ask, Hold, Lease};
use crate::merge::Resolution;
use crate::meta::{self, Meta};
use crate::policy::{ROUNDS, Round, Settled, by_policy, fill, settle, too_often, view_error};
use crate::rebase::{Fresh, Resolutions, stuck};
use crate::resolve::still_marked;
use crate::state::State;
use crate::versions::Versions;
use crate::{
    CommitError, CommitOptions, Conflict, Policy, RebaseOptions, SessionId, checkpoint, heads,
    isolation, layers, manifest, nesting, notes, seal,
};

/// What a rebase did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Rebased {
    /// The session sees the base as of this landing now. Of a child: what its family sees.
    pub landing: u64,
    /// False: it stood on all that is there, and nothing was to be done.
    pub moved: bool,
    /// Paths that both sides had changed, relative to the domain's root, as the policy settled
    /// them.
    pub settled: Vec<RelPath>,
}

/// Takes a session for a rebase: its lease, and that of its parent.
pub(crate) fn take(
    state: &Arc<State>,
    id: &SessionId,
    purpose: &str,
    stop: bool,
) -> Result<(Meta, Lease, Option<Lease>), CommitError> {
    let m = meta::load_open(state, id)?;
    lands_here(&m)?;
    let parent = match &m.parent {
        Some(parent) => {
            let purpose = format!("{purpose} of a child");
            Some(Lease::take(state, parent, Ask::Refuse, Hold::Brief(&purpose))?)
        }
        None => {
            state.may_land_session(id)?;
            None
        }
    };
    let own = Lease::take(state, id, Ask::stop_if(stop), Hold::Brief(purpose))?;
    Ok((meta::load_open(state, id)?, own, parent))
}

/// Makes the changes of a session again on what is there now. `choose` says what the paths in
/// conflict are to be. Gives the session's new record, which is on disk.
pub(crate) fn put<E: From<CommitError>>(
    state: &Arc<State>,
    m: &Meta,
    choose: impl Fn(&mut Vec<Conflict>, &Versions<'_>) -> Result<Resolutions, E>,
) -> Result<(Meta, Resolutions), E> {
    match &m.parent {
        Some(parent) => on_parent(state, m, parent, choose),
        None => on_base(state, m, choose),
    }
}

fn on_base<E: From<CommitError>>(
    state: &Arc<State>,
    m: &Meta,
    choose: impl Fn(&mut Vec<Conflict>, &Versions<'_>) -> Result<Resolutions, E>,
) -> Result<(Meta, Resolutions), E> {
    for _ in 0..ROUNDS {
        let mut round = Round::on_base(state, m, &CommitOptions::default())?;
        let mut conflicts = std::mem::take(&mut round.conflicts);
        let versions = Versions::new(&round.view, &round.set, round.ancestor(m), round.now.clone());
        let resolutions = choose(&mut conflicts, &versions)?;
        match round.fresh.replay(round.now.clone(), &versions, &resolutions, true) {
            Ok(()) => {}
            Err(e) => match stuck(&m.id, &m.subdir, e) {
                Some(e) => return Err(e.into()),
                None => continue,
            },
        }
        let new = round.fresh.stack(m);
        let new = keep(state, m, new, round.fresh, &resolutions, None)?;
        return Ok((new, resolutions));
    }
    Err(too_often(&m.id).into())
}

fn on_parent<E: From<CommitError>>(
    state: &Arc<State>,
    m: &Meta,
    parent: &SessionId,
    choose: impl Fn(&mut Vec<Conflict>, &Versions<'_>) -> Result<Resolutions, E>,
) -> Result<(Meta, Resolutions), E> {
    let commit = CommitError::from;
    let mut p = meta::load_open(state, parent).map_err(commit)?;
    let sides = nesting::Sides::open(state, m, &p).map_err(|e| view_error(m, e))?;
    let mut conflicts = nesting::compare(&sides.ours, &sides.theirs, parent, &m.subdir);
    let versions = sides.versions();
    let resolutions = choose(&mut conflicts, &versions)?;
    let fresh = Fresh::on_parent(state, m)?;
    fresh
        .replay(versions.theirs.clone(), &versions, &resolutions, true)
        .map_err(|e| stuck(&m.id, &m.subdir, e).unwrap_or_else(|| too_often(&m.id)))?;
    // What the child stands on now must not be written any more.
    let below = nesting::written(state, &p, None).map_err(CommitError::from)?;
    if below.len() == p.layers.len() {
        nesting::restack(state, &mut p, &[], None).map_err(CommitError::from)?;
    }
    let mut new = fresh.stack(m);
    new.inherited = below.len();
    new.layers = below.into_iter().chain([fresh.layer().clone()]).collect();
    // Its parent's layers lie over what they lay over.
    (new.lower, new.lower_at) = (p.lower.clone(), p.lower_at.clone());
    let new = keep(state, m, new, fresh, &resolutions, None)?;
    Ok((new, resolutions))
}

/// A view that is being written and follows its session.
pub(crate) struct Follow<'a> {
    pub(crate) gate: WriteGate<'a>,
    pub(crate) to: NewStack,
}

/// Writes the new stack down; what nothing lists any more goes.
pub(crate) fn keep(
    state: &Arc<State>,
    m: &Meta,
    mut new: Meta,
    fresh: Fresh,
    resolutions: &Resolutions,
    live: Option<Follow<'_>>,
) -> Result<Meta, CommitError> {
    let fail = |e| view_error(m, e);
    let view = layers::view(state, &new, layers::read_only(state)).map_err(fail)?;
    let is_text = |how: &Resolution| matches!(how, Resolution::Text { marked: true, .. });
    let marked = resolutions.iter().filter(|(_, how)| is_text(how)).map(|(p, _)| p.clone());
    let mut unresolved: Vec<RelPath> = marked.collect();
    for path in &m.unresolved {
        if !unresolved.contains(path) && still_marked(&view, path).map_err(fail)? {
            unresolved.push(path.clone());
        }
    }
    unresolved.sort();
    new.unresolved = unresolved;
    // What it stands on now is kept; a checkpoint may still stand on what is not.
    let fresh_again = m.stale && m.checkpoints.is_empty();
    new.stale = m.stale && !fresh_again;
    new.conflicted = false;
    new.torn = m.unclean(&state.options.boot_id);
    new.clean = live.is_none();
    new.boot.clone_from(&state.options.boot_id);
    let what = &m.id;
    isolation::carry(state, m, resolutions.keys())?;
    manifest::write(state, &new, &view, || false).doing(what)?;
    drop(view);
    notes::carry(state, &notes::changes(state, m)?, fresh.layer())?;
    let stored = meta::store_surely(state, &new, true);
    // The view follows what the disk says, whatever was reported about it.
    if let Some(Follow { gate, to }) = live
        && (stored.is_ok() || meta::is_stored(state, &new))
    {
        gate.switch(to);
    }
    stored.doing(what)?;
    fresh.keep();
    if fresh_again
        && let Err(e) = meta::dir(state, what).and_then(|d| state.disk.unlink(&d, meta::STALE))
        && e.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("{what} is still marked as stale: {e}");
    }
    checkpoint::tidy(state, &mut new);
    Ok(new)
}

/// Says what a policy makes of the paths in conflict.
pub(crate) type Chosen<'a> =
    &'a dyn Fn(&mut Vec<Conflict>, &Versions<'_>) -> Result<Resolutions, CommitError>;

/// Rebases by a policy, as `put` does it. Gives also the conflicts that it settled.
pub(crate) fn by_rebase(
    m: &Meta,
    policy: Policy,
    put: impl FnOnce(Chosen<'_>) -> Result<(Meta, Resolutions), CommitError>,
) -> (Result<(Meta, Resolutions), CommitError>, Vec<Conflict>) {
    // Several rounds may be made: what counts is the last one's.
    let overridden = std::cell::RefCell::new(Vec::new());
    let done = put(&|conflicts, versions| {
        let conflict = |conflicts: &mut Vec<Conflict>| CommitError::Conflict {
            session: m.id.clone(),
            conflicts: std::mem::take(conflicts),
        };
        if policy == Policy::Reject && !conflicts.is_empty() {
            fill(conflicts, versions, &m.subdir);
            return Err(conflict(conflicts));
        }
        let settled = settle(conflicts, versions, &m.subdir, by_policy(policy));
        let settled = settled.map_err(|e| view_error(m, e))?;
        overridden.replace(conflicts.clone());
        settled.ok_or_else(|| conflict(conflicts))
    });
    (done, overridden.into_inner())
}

/// See [`Session::rebase`](crate::Session::rebase).
pub(crate) fn rebase(
    state: &Arc<State>,
    id: &SessionId,
    options: &RebaseOptions,
) -> Result<Rebased, CommitError> {
    let first = meta::load_open(state, id)?;
    if let Some(heads) = heads::of(state, &first)? {
        return heads::rebase(state, &*heads, &first, options);
    }
    let (mut m, _lease, _parent) = take(state, id, "rebase", options.stop)?;
    let policy = options.policy;
    let as_commit = CommitOptions { accept_unclean: true, policy, ..CommitOptions::default() };
    admit(state, &m, &as_commit)?;
    if seal::stands_on_all(state, &m)? {
        return Ok(Rebased { landing: m.landing, moved: false, settled: Vec::new() });
    }
    let (done, conflicts) = by_rebase(&m, policy, |choose| put(state, &m, choose));
    let (new, _) = match done {
        Err(CommitError::Conflict { session, conflicts }) => {
            note_conflict(state, &mut m, &conflicts, &as_commit);
            return Err(CommitError::Conflict { session, conflicts });
        }
        done => done?,
    };
    let mut e = entry(state, "rebased", &new, &as_commit);
    let settled = (!conflicts.is_empty()).then(|| Settled::new(policy, &conflicts));
    e.detail = Some(serde_json::json!({ "landing": new.landing, "settled": settled }));
    state.note(&e);
    let settled = conflicts.into_iter().map(|c| c.path).collect();
    Ok(Rebased { landing: new.landing, moved: true, settled })
}
