//! Commits by another policy than `reject`: conflicts are settled path by path, the session is
//! rebased on the base as it is now, and what comes of it lands by the rules of `reject`. The
//! rebased stack is known to nobody else: if it does not land, the session is what it was.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use brio_session::{ChangeSet, FsError, FsResult, Kind, Lower, RelPath};
use serde::Serialize;

use crate::commit::{as_first_seen, prepare};
use crate::history::History;
use crate::merge::{Case, Resolution, Unmerged, force, merge};
use crate::meta::Meta;
use crate::rebase::{Fresh, Resolutions, stuck};
use crate::state::State;
use crate::versions::{Ancestor, Versions};
use crate::{
    CommitError, CommitOptions, Conflict, HostError, Landed, Policy, SessionId, Theirs, against,
    layers,
};

/// How often a rebase is made anew because other landings got in between.
pub(crate) const ROUNDS: usize = 16;

/// What a policy did, for the journal.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Settled {
    pub(crate) policy: Policy,
    /// Each path that both sides changed, and who the other was.
    pub(crate) overridden: Vec<Overridden>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Overridden {
    path: String,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    landing: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
}

impl Settled {
    pub(crate) fn new(policy: Policy, conflicts: &[Conflict]) -> Self {
        let of = |c: &Conflict| {
            let (landing, session) = match &c.theirs {
                Theirs::Landing { number, session, .. } => (Some(*number), Some(session.clone())),
                Theirs::Parent { session, .. } => (None, Some(session.clone())),
                Theirs::Head { .. } | Theirs::Drift { .. } | Theirs::Busy => (None, None),
            };
            Overridden { path: c.path.to_string(), by: c.theirs.by(), landing, session }
        };
        Self { policy, overridden: conflicts.iter().map(of).collect() }
    }
}

/// Lands a session in its base although paths conflict.
pub(crate) fn land(
    state: &Arc<State>,
    m: &Meta,
    options: &CommitOptions,
) -> Result<Landed, CommitError> {
    for _ in 0..ROUNDS {
        let mut round = Round::on_base(state, m, options)?;
        let mut conflicts = std::mem::take(&mut round.conflicts);
        let versions = Versions::new(&round.view, &round.set, round.ancestor(m), round.now.clone());
        let settled = settle(&mut conflicts, &versions, &m.subdir, by_policy(options.policy));
        let resolutions = settled.map_err(|e| view_error(m, e))?;
        let Some(resolutions) = resolutions else {
            return Err(CommitError::Conflict { session: m.id.clone(), conflicts });
        };
        match round.fresh.replay(round.now.clone(), &versions, &resolutions, false) {
            Ok(()) => {}
            Err(e) => match stuck(&m.id, &m.subdir, e) {
                Some(e) => return Err(e),
                None => continue,
            },
        }
        let rebased = round.fresh.stack(m);
        let settled = Settled::new(options.policy, &conflicts);
        match prepare(state, &rebased, options, Some(settled))?.run() {
            // Somebody was faster: from the original again. What is being written, or was read, stays so.
            Err(CommitError::Conflict { conflicts, .. })
                if conflicts.iter().all(|c| c.theirs != Theirs::Busy && !c.read) => {}
            Ok(landed) => {
                round.fresh.keep();
                return Ok(landed);
            }
            Err(e) => return Err(e),
        }
    }
    Err(too_often(&m.id))
}

pub(crate) fn too_often(id: &SessionId) -> CommitError {
    let e = io::Error::other("other changes kept getting in between");
    HostError::new(format!("commit of {id}"), e).into()
}

pub(crate) fn view_error(m: &Meta, source: FsError) -> CommitError {
    match source {
        FsError::SnapshotGone => CommitError::SnapshotGone { session: m.id.clone() },
        source => CommitError::View { path: m.subdir.clone(), source },
    }
}

/// One look at a session and its base: everything here was read after the fresh layer's T0, so
/// whatever changes later is found when the rebased stack is validated.
pub(crate) struct Round {
    pub(crate) fresh: Fresh,
    pub(crate) view: brio_session::View,
    pub(crate) set: ChangeSet,
    pub(crate) history: History,
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) now: Arc<dyn Lower>,
}

impl Round {
    pub(crate) fn on_base(
        state: &Arc<State>,
        m: &Meta,
        options: &CommitOptions,
    ) -> Result<Self, CommitError> {
        let fresh = Fresh::on_base(state, m)?;
        let commit = prepare(state, m, options, None)?;
        let conflicts = match commit.plan() {
            Ok(_) => Vec::new(),
            Err(CommitError::Conflict { conflicts, .. }) => conflicts,
            Err(e) => return Err(e),
        };
        let fail = |e| view_error(m, e);
        let view = layers::view(state, m, layers::read_only(state)).map_err(fail)?;
        let set = as_first_seen(view.changes().map_err(fail)?);
        let history = History::load(state, m.landing).map_err(Box::new)?;
        let now = layers::base(state, &fresh.stack(m)).map_err(fail)?;
        Ok(Self { fresh, view, set, history, conflicts, now })
    }

    pub(crate) fn ancestor<'a>(&'a self, m: &'a Meta) -> Ancestor<'a> {
        ancestor(m, &self.history)
    }
}

fn ancestor<'a>(m: &'a Meta, history: &'a History) -> Ancestor<'a> {
    Ancestor::Base { history, subdir: &m.subdir, copied: !m.lower.is_live() }
}

/// How a policy settles one path.
pub(crate) fn by_policy(
    policy: Policy,
) -> impl Fn(&Conflict, &Case) -> Result<Resolution, Unmerged> {
    move |_, case| match policy {
        Policy::LastWriteWins => Ok(force(case)),
        Policy::Merge | Policy::Reject => merge(case, None),
    }
}

/// Settles every conflict, and completes its report. `None`: some cannot be settled; they say
/// why. `choose` is asked for each path that can be settled at all.
pub(crate) fn settle(
    conflicts: &mut [Conflict],
    versions: &Versions<'_>,
    subdir: &RelPath,
    choose: impl Fn(&Conflict, &Case) -> Result<Resolution, Unmerged>,
) -> FsResult<Option<Resolutions>> {
    let shape = Shape::of(versions.set);
    let mut out = BTreeMap::new();
    let mut all = true;
    for c in conflicts {
        let inside = c.path.strip_prefix(subdir);
        let case = match &inside {
            Some(path) => Some(versions.case(path)?),
            None => None,
        };
        let chosen = match (&inside, &case) {
            _ if c.theirs == Theirs::Busy => Err(Unmerged::Busy),
            _ if c.read => Err(Unmerged::Read),
            (Some(path), Some(_)) if c.ours.is_none() && path.is_root() => Err(Unmerged::Branch),
            (Some(path), Some(case)) => match c.ours.is_some() || shape.concerns(path) {
                true => choose(c, case),
                false => Err(Unmerged::Read),
            },
            _ => Err(Unmerged::Branch),
        };
        if let Some(case) = &case {
            c.sides = case.sides();
        }
        match (inside, chosen) {
            (Some(path), Ok(how)) => {
                c.unmerged = None;
                out.insert(path, how);
            }
            (_, chosen) => {
                c.unmerged = chosen.err();
                all = false;
            }
        }
    }
    Ok(all.then_some(out))
}

/// Completes the report of conflicts that nobody tries to settle. What cannot be read is left out.
pub(crate) fn report(state: &Arc<State>, m: &Meta, conflicts: &mut [Conflict]) {
    let mut look = || -> Result<(), CommitError> {
        let fail = |e| view_error(m, e);
        let history = History::load(state, m.landing).map_err(Box::new)?;
        let now = against::base_now(state, m).map_err(fail)?;
        let view = layers::view(state, m, layers::read_only(state)).map_err(fail)?;
        let set = as_first_seen(view.changes().map_err(fail)?);
        let versions = Versions::new(&view, &set, ancestor(m, &history), now);
        fill(conflicts, &versions, &m.subdir);
        Ok(())
    };
    if let Err(e) = look() {
        tracing::warn!("the report of a conflict is not complete: {e}");
    }
}

pub(crate) fn fill(conflicts: &mut [Conflict], versions: &Versions<'_>, subdir: &RelPath) {
    for c in conflicts {
        if let Some(path) = c.path.strip_prefix(subdir)
            && let Ok(case) = versions.case(&path)
        {
            c.sides = case.sides();
        }
    }
}

/// Where a change set changes the shape of the tree.
struct Shape {
    above: BTreeSet<RelPath>,
    gone: Vec<RelPath>,
}

impl Shape {
    fn of(set: &ChangeSet) -> Self {
        let above = set.changes.iter().flat_map(|c| c.path.ancestors().collect::<Vec<_>>());
        let was_dir = |c: &&brio_session::Change| c.before.is_some_and(|m| m.kind == Kind::Dir);
        let gone = set
            .changes
            .iter()
            .filter(was_dir)
            .filter(|c| c.after.is_none_or(|m| m.kind != Kind::Dir))
            .map(|c| c.path.clone());
        Self { above: above.collect(), gone: gone.collect() }
    }

    /// Whether a path that was not changed itself matters to what was: a directory on the way,
    /// or something in a directory that goes.
    fn concerns(&self, path: &RelPath) -> bool {
        self.above.contains(path) || self.gone.iter().any(|d| path.starts_with(d))
    }
}
