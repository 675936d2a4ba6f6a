//! Where sessions on trees land: the heads of projects, as the host wires them. What a commit, a
//! seal, a rebase and a resolve mean for a session on a base, they mean here for one on a tree.

use std::sync::Arc;

use brio_session::ViewOptions;

use crate::commit::{executed, lands_here, note_broken, note_conflict, prepare, rebased};
use crate::lease::{Ask, Hold, Lease};
use crate::meta::{self, Meta};
use crate::onto_tree::stands_on;
use crate::seal::broken;
use crate::session::Session;
use crate::state::State;
use crate::{
    CommitError, CommitOptions, Conflict, Domain, Isolation, Landed, LeaseError, Moved, Policy,
    RebaseOptions, Rebased, ResolveError, ResolveOptions, Resolved, RollbackError, Seal, SessionId,
    SessionInfo, TreeInfo, Writer,
};

/// The heads of projects in stores.
pub trait Heads: Send + Sync {
    /// What the head of the project has now that a tree is of.
    ///
    /// # Errors
    /// The store's.
    fn head(&self, of: &TreeInfo) -> Result<TreeInfo, HeadError>;

    /// Lands a session on its project's head, as [`Domain::commit`] lands one in a base: all of
    /// it or nothing, and durable when it returns. Takes the session's lease. The paths of what
    /// changed are relative to the directory that the session branches.
    ///
    /// # Errors
    /// As a commit's.
    fn land(
        &self,
        domain: &Domain,
        session: &Session,
        options: &CommitOptions,
    ) -> Result<Landed, CommitError>;

    /// Finds out for good that no landing of a session was done or will be, before it is thrown
    /// away: called where one was begun and had no answer.
    ///
    /// # Errors
    /// The store's; `SESSION_ENDED` where one was done.
    fn settle(&self, session: &Session) -> Result<(), HeadError>;

    /// A session that a store knew is gone: the store is told, as far as it can be.
    fn gone(&self, was: &SessionInfo);
}

/// Why a head cannot be asked or moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct HeadError {
    /// The stable code, with which the text begins.
    pub code: &'static str,
    /// In words.
    pub text: String,
}

/// Where a session landed that stood on a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnHead {
    /// The tree that the head has now, or had right after the landing.
    pub tree: TreeInfo,
    /// The position that the session stood on.
    pub from: u64,
    /// The landing in the base that brought it to where the head is; `None`: there was none.
    pub followed: Option<u64>,
}

/// Where a session lands that stands on a tree itself. `None`: it does not, and lands here.
pub(crate) fn of(state: &State, m: &Meta) -> Result<Option<Arc<dyn Heads>>, CommitError> {
    match (&state.options.heads, lands_here(m)) {
        (_, Ok(())) => Ok(None),
        (Some(heads), Err(_)) => Ok(Some(heads.clone())),
        (None, Err(e)) => Err(e),
    }
}

/// Asks a run that is live in a session to stop, if that is wanted.
fn stop(state: &Arc<State>, id: &SessionId, wanted: bool, purpose: &str) -> Result<(), LeaseError> {
    if wanted {
        drop(Lease::take(state, id, Ask::stop_if(true), Hold::Brief(purpose))?);
    }
    Ok(())
}

/// See [`Domain::commit`].
pub(crate) fn land(
    state: &Arc<State>,
    heads: &dyn Heads,
    m: &Meta,
    options: &CommitOptions,
) -> Result<Landed, CommitError> {
    stop(state, &m.id, options.stop, "commit")?;
    let session = Session::new(state.clone(), m.id.clone());
    let mut landed = heads.land(&Domain::of(state), &session, options);
    if let Ok(landed) = &mut landed {
        landed.changes = rebased(std::mem::take(&mut landed.changes), &m.subdir);
        landed.warnings.extend(executed(&landed.changes));
    }
    if let Err(e) = &landed
        && let Ok(mut m) = meta::load_open(state, &m.id)
    {
        if let CommitError::Conflict { conflicts, .. } = e
            && !noted_by_rebase(conflicts, options)
        {
            note_conflict(state, &mut m, conflicts, options);
        }
        note_broken(state, &m, options, e);
    }
    landed
}

/// Whether conflicts are what a rebase by the policy could not settle: it noted them itself. Those
/// of reads, and those with what landed before what this session landed, no policy was asked.
fn noted_by_rebase(conflicts: &[Conflict], options: &CommitOptions) -> bool {
    options.policy != Policy::Reject && conflicts.iter().any(|c| c.unmerged.is_some())
}

/// See [`Session::conflicts`].
pub(crate) fn conflicts(
    state: &Arc<State>,
    heads: &dyn Heads,
    m: &Meta,
) -> Result<Vec<Conflict>, CommitError> {
    let head = heads.head(stands_on(m)?)?;
    Session::new(state.clone(), m.id.clone()).conflicts_onto(&head)
}

/// Works on a session that nobody else works on, and gives it back.
fn held<T, E: From<CommitError>>(
    state: &Arc<State>,
    id: &SessionId,
    purpose: &str,
    work: impl FnOnce(&Writer) -> Result<T, E>,
) -> Result<T, E> {
    let session = Session::new(state.clone(), id.clone());
    let all = ViewOptions { vcs: true, ..ViewOptions::default() };
    let writer = session.writer(purpose, all).map_err(|e| E::from(e.into()))?;
    let done = work(&writer);
    if let Err(e) = writer.finish() {
        tracing::warn!("session {id}: {e}");
    }
    done
}

/// See [`Session::rebase`].
pub(crate) fn rebase(
    state: &Arc<State>,
    heads: &dyn Heads,
    m: &Meta,
    options: &RebaseOptions,
) -> Result<Rebased, CommitError> {
    stop(state, &m.id, options.stop, "rebase")?;
    held(state, &m.id, "rebase", |writer| {
        let head = heads.head(stands_on(m)?)?;
        writer.rebase_onto(&head, options.clone())
    })
}

/// See [`Domain::resolve`].
pub(crate) fn resolve(
    state: &Arc<State>,
    heads: &dyn Heads,
    m: &Meta,
    options: &ResolveOptions,
) -> Result<Resolved, ResolveError> {
    stop(state, &m.id, options.stop, "resolve").map_err(CommitError::from)?;
    held(state, &m.id, "resolve", |writer| {
        let head = heads.head(stands_on(m)?).map_err(CommitError::from)?;
        writer.resolve_onto(&head, options.clone())
    })
}

/// See [`Session::seal`].
pub(crate) fn seal(state: &Arc<State>, heads: &dyn Heads, m: &Meta) -> Result<Seal, CommitError> {
    let head = heads.head(stands_on(m)?)?;
    seal_on(state, m, &head)
}

fn seal_on(state: &Arc<State>, m: &Meta, head: &TreeInfo) -> Result<Seal, CommitError> {
    if stands_on(m)?.tree != head.tree {
        let moved = Moved::Head { project: head.project.clone(), position: head.position };
        return Err(CommitError::Behind { session: m.id.clone(), moved });
    }
    let options = CommitOptions {
        accept_unclean: true,
        isolation: Some(Isolation::Snapshot),
        ..CommitOptions::default()
    };
    let digest = prepare(state, m, &options, None)?.digest(&[])?;
    Ok(Seal { session: m.id.clone(), landing: head.position, parent: None, digest })
}

/// Whether a session may be thrown away, as far as heads say; what they are told of it then.
pub(crate) fn may_go(state: &Arc<State>, m: &Meta) -> Result<Option<SessionInfo>, RollbackError> {
    let (Some(heads), Some(pushed), Ok(_)) = (&state.options.heads, &m.pushed, stands_on(m)) else {
        return Ok(None);
    };
    let session = Session::new(state.clone(), m.id.clone());
    if !pushed.landings.is_empty() {
        heads.settle(&session)?;
    }
    Ok(Some(session.info()?))
}

/// See [`Writer::check_seal`].
pub(crate) fn check_seal(
    state: &Arc<State>,
    id: &SessionId,
    seal: &Seal,
    head: &TreeInfo,
) -> Result<(), CommitError> {
    let m = meta::load_open(state, id)?;
    if seal.session != m.id {
        return Err(broken(&m, Moved::OtherSession(seal.session.clone())));
    }
    let now = match seal_on(state, &m, head) {
        Err(CommitError::Behind { moved, .. }) => return Err(broken(&m, moved)),
        now => now?,
    };
    if now.landing != seal.landing {
        let moved = Moved::Head { project: head.project.clone(), position: head.position };
        return Err(broken(&m, moved));
    }
    match now == *seal {
        true => Ok(()),
        false => Err(broken(&m, Moved::Session)),
    }
}
