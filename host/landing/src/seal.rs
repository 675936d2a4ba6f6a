//! Seals: what a gate saw, said so that a commit can tell whether it would land exactly that.

use std::fmt;
use std::io;
use std::sync::Arc;

use brio_session::{RelPath, WriteGate};
use serde::{Deserialize, Serialize};

use crate::commit::{Commit, admit, prepare, rebased};
use crate::digest::{Changes, stack};
use crate::errors::Doing;
use crate::history;
use crate::intent::{End, Step};
use crate::lease::{Ask, Hold, Lease};
use crate::meta::Meta;
use crate::nesting::{Sides, written};
use crate::policy::{self, view_error};
use crate::state::State;
use crate::{
    CommitError, CommitOptions, Digest, Isolation, Policy, RecoverError, SessionId, Theirs, begin,
    heads, meta, notes, rebase,
};

/// The state in which a session was sealed for its gates: see
/// [`Session::seal`](crate::Session::seal). Two seals are equal if the same would land on the
/// same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seal {
    /// The session.
    pub session: SessionId,
    /// The newest number of the base, which the session stands on: nothing landed between the
    /// landing that it sees the base as of and this. A commit under the seal is the next landing
    /// that is done. Of a child it says only what its family sees; `parent` is what counts. Of a
    /// session on a tree it is the position of the project's head.
    pub landing: u64,
    /// What a child stands on instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SealedParent>,
    /// Of what would land.
    pub digest: Digest,
}

/// The state of a parent that a child was sealed on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SealedParent {
    /// The parent.
    pub session: SessionId,
    /// Of the layers in which it has something. They don't change once a child stands on them,
    /// so the parent is in the same state exactly if this is the same.
    pub state: Digest,
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on ", self.session)?;
        match &self.parent {
            Some(p) => write!(f, "{} ({})", p.session, p.state.short())?,
            None => write!(f, "landing {}", self.landing)?,
        }
        write!(f, ", changes {}", self.digest.short())
    }
}

/// A landing of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedBy {
    /// Its number.
    pub landing: u64,
    /// Which session landed.
    pub session: SessionId,
    /// Its goal.
    pub goal: Option<String>,
}

impl fmt::Display for MovedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "landing {} of {}", self.landing, self.session)?;
        self.goal.as_ref().map_or(Ok(()), |g| write!(f, " ({g:?})"))
    }
}

/// What has moved since a session was sealed, or since it began.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moved {
    /// The base, by these landings.
    Base(Vec<MovedBy>),
    /// The base, from outside of any landing, at these paths.
    Drift(Vec<RelPath>),
    /// The head of its project, which is at this position.
    Head {
        /// The project.
        project: String,
        /// The position.
        position: u64,
    },
    /// The session that it branches.
    Parent(SessionId),
    /// The session: it would land something else, or stands on something else.
    Session,
    /// Nothing: the seal is another session's.
    OtherSession(SessionId),
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(by) => {
                let by: Vec<_> = by.iter().map(ToString::to_string).collect();
                write!(f, "its base has changed by {}", by.join(", "))
            }
            Self::Drift(paths) => {
                let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
                write!(f, "its base was changed outside of brio ({})", paths.join(", "))
            }
            Self::Head { project, position } => {
                write!(f, "the head of {project} moved, to position {position}")
            }
            Self::Parent(id) => write!(f, "its parent {id} has changed"),
            Self::Session => f.write_str("the session itself has changed"),
            Self::OtherSession(id) => write!(f, "the seal is of {id}"),
        }
    }
}

/// See [`Session::seal`](crate::Session::seal).
pub(crate) fn seal(state: &Arc<State>, id: &SessionId) -> Result<Seal, CommitError> {
    let _lease = Lease::take(state, id, Ask::Refuse, Hold::Brief("seal"))?;
    let m = meta::load_open(state, id)?;
    // What was read is the commit's to validate: it may be told not to.
    let options = CommitOptions {
        accept_unclean: true,
        isolation: Some(Isolation::Snapshot),
        ..CommitOptions::default()
    };
    admit(state, &m, &options)?;
    if let Some(parent) = m.parent.clone() {
        return seal_child(state, &m, &parent);
    }
    if let Some(heads) = heads::of(state, &m)? {
        return heads::seal(state, &*heads, &m);
    }
    let newest = {
        let (_lock, value) = begin::quiet(state).map_err(rebase::quiet_error)?;
        value.landing()
    };
    let by = landed_since(state, m.landing, newest)?;
    if !by.is_empty() {
        return Err(CommitError::Behind { session: id.clone(), moved: Moved::Base(by) });
    }
    let commit = prepare(state, &m, &options, None)?;
    // A gate for what could not land anyway would be for nothing.
    if state.frozen_only().is_some() {
        if !commit.set.changes.is_empty() || !commit.notes.is_empty() {
            state.may_land_session(id)?;
        }
    } else if let Err(mut e) = commit.plan() {
        if let CommitError::Conflict { conflicts, .. } = &mut e {
            policy::report(state, &m, conflicts);
        }
        return Err(e);
    }
    let digest = commit.digest(&[])?;
    Ok(Seal { session: id.clone(), landing: newest, parent: None, digest })
}

/// Whether a session sees all that landed, and conflicts with nothing from outside: a rebase
/// would change nothing. The caller holds its lease, and its parent's.
pub(crate) fn stands_on_all(state: &Arc<State>, m: &Meta) -> Result<bool, CommitError> {
    if let Some(parent) = &m.parent {
        let p = meta::load_open(state, parent)?;
        return Ok(written(state, &p, None)? == m.layers[..m.inherited]);
    }
    let newest = {
        let (_lock, value) = begin::quiet(state).map_err(rebase::quiet_error)?;
        value.landing()
    };
    if !landed_since(state, m.landing, newest)?.is_empty() {
        return Ok(false);
    }
    match prepare(state, m, &CommitOptions::default(), None)?.plan() {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(e) => Err(e),
    }
}

fn seal_child(state: &Arc<State>, c: &Meta, parent: &SessionId) -> Result<Seal, CommitError> {
    let p = meta::load_open(state, parent)?;
    let below = written(state, &p, None)?;
    if below != c.layers[..c.inherited] {
        let moved = Moved::Parent(parent.clone());
        return Err(CommitError::Behind { session: c.id.clone(), moved });
    }
    let sides = Sides::open(state, c, &p).map_err(|e| view_error(c, e))?;
    Ok(Seal {
        session: c.id.clone(),
        landing: c.landing,
        parent: Some(SealedParent { session: parent.clone(), state: stack(&below) }),
        digest: child_digest(state, c, &sides)?,
    })
}

fn child_digest(state: &State, c: &Meta, sides: &Sides) -> Result<Digest, CommitError> {
    let (set, notes) = (rebased(sides.ours.clone(), &c.subdir), notes::changes(state, c)?);
    let (view, subdir) = (sides.view(), &c.subdir);
    let changes = Changes { set: &set, view, subdir, known: &[], notes: &notes };
    changes.digest().map_err(|e| e.of(c))
}

/// The landings that were done after one of them, up to another. What was begun and undone left
/// the base as it was. The records are there as long as a session sees the base as of the first.
fn landed_since(state: &State, since: u64, newest: u64) -> Result<Vec<MovedBy>, CommitError> {
    let mut out = Vec::new();
    for number in since.saturating_add(1)..=newest {
        match history::ended_or_now(state, number) {
            Ok(l) if matches!(l.end, Some(End::Aborted { .. })) => {}
            Ok(l) => out.push(MovedBy {
                landing: number,
                session: l.intent.session.clone(),
                goal: l.intent.goal.clone(),
            }),
            // A number that recovery burned.
            Err(RecoverError::Io(e)) if e.source.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Box::new(e).into()),
        }
    }
    Ok(out)
}

/// A commit's seal is broken.
pub(crate) fn broken(m: &Meta, moved: Moved) -> CommitError {
    CommitError::SealBroken { session: m.id.clone(), moved }
}

impl Commit {
    /// Whether the base is still what the session was sealed on. The answer holds as long as the
    /// sequence stands still.
    pub(crate) fn on_its_landing(&self) -> Result<(), CommitError> {
        let (Some(seal), m) = (&self.options.sealed, &self.meta) else { return Ok(()) };
        if seal.session != m.id {
            return Err(broken(m, Moved::OtherSession(seal.session.clone())));
        }
        // It was rebased since: what it stood on may not even be recorded any more.
        if m.landing > seal.landing || seal.parent.is_some() {
            return Err(broken(m, Moved::Session));
        }
        let newest = self.state.seq.get().doing("the landing sequence")?.landing();
        let mut by = landed_since(&self.state, m.landing, newest)?;
        let behind = !by.is_empty();
        by.retain(|by| by.landing > seal.landing);
        match behind {
            false => Ok(()),
            // It was put back to a checkpoint.
            true if by.is_empty() => Err(broken(m, Moved::Session)),
            true => Err(broken(m, Moved::Base(by))),
        }
    }

    /// Whether what would land is what was sealed. What is staged needs no other look.
    pub(crate) fn as_sealed(&self, staged: &[Step]) -> Result<(), CommitError> {
        match &self.options.sealed {
            Some(seal) if self.digest(staged)? != seal.digest => {
                Err(broken(&self.meta, Moved::Session))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn digest(&self, staged: &[Step]) -> Result<Digest, CommitError> {
        let (set, view, subdir) = (&self.set, &self.view, &self.meta.subdir);
        let (known, notes) = (staged, &self.notes);
        Changes { set, view, subdir, known, notes }.digest().map_err(|e| e.of(&self.meta))
    }

    /// Conflicts that no landing is behind, for a commit that would settle them: the gates have
    /// not seen what would come of that. Nobody's rebase helps against a file that is being
    /// written, or what was read.
    pub(crate) fn would_settle(m: &Meta, options: &CommitOptions, e: CommitError) -> CommitError {
        match e {
            CommitError::Conflict { conflicts, .. }
                if options.policy != Policy::Reject
                    && conflicts.iter().all(|c| c.theirs != Theirs::Busy && !c.read) =>
            {
                let paths = conflicts.into_iter().map(|c| c.path);
                broken(m, Moved::Drift(paths.collect()))
            }
            e => e,
        }
    }
}

/// Whether a child and its parent are what they were when the child was sealed. The caller holds
/// both leases, and the gate of the parent's view if that is being written.
pub(crate) fn child_as_sealed(
    state: &State,
    (c, p): (&Meta, &Meta),
    sides: &Sides,
    gate: Option<&WriteGate<'_>>,
    seal: &Seal,
) -> Result<(), CommitError> {
    if seal.session != c.id {
        return Err(broken(c, Moved::OtherSession(seal.session.clone())));
    }
    let now = stack(&written(state, p, gate.map(WriteGate::view))?);
    if seal.parent.as_ref().is_none_or(|s| s.session != p.id || s.state != now) {
        return Err(broken(c, Moved::Parent(p.id.clone())));
    }
    match child_digest(state, c, sides)? == seal.digest {
        true => Ok(()),
        false => Err(broken(c, Moved::Session)),
    }
}
