//! A session on a tree against another tree of its project: what stands between them, and the
//! session put onto the other one. Trees never change, so what is found holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use brio_session::{
    Change, ChangeSet, Fingerprint, FsResult, Lower, Meta as FileMeta, Observed, Read, ReadSet,
    RelPath, Time, View,
};

use crate::commit::{admit, as_first_seen, entry, note_conflict};
use crate::errors::Doing;
use crate::facts::Facts;
use crate::flat::Flat;
use crate::history::History;
use crate::lower::timeless;
use crate::meta::{self, Meta, cap, layer_dir};
use crate::onto::{Follow, by_rebase, keep};
use crate::plan::{Input, plan};
use crate::policy::{Settled, too_often, view_error};
use crate::reads::Reads;
use crate::rebase::{Fresh, Resolutions, stuck};
use crate::resolve::{choose, resolved};
use crate::state::State;
use crate::versions::{Ancestor, Versions};
use crate::{
    CommitError, CommitOptions, Conflict, Isolation, LowerInfo, RebaseOptions, Rebased,
    ResolveError, ResolveOptions, Resolved, SessionId, Theirs, TreeInfo, isolation, layers, lower,
    preflight,
};

/// No time is after it: of trees, times tell nothing.
const NEVER: Time = Time { secs: i64::MAX, nanos: 0 };

/// The tree that a session stands on by itself.
pub(crate) fn stands_on(m: &Meta) -> Result<&TreeInfo, CommitError> {
    let tree = m.lower.tree().filter(|_| m.parent.is_none());
    tree.ok_or_else(|| CommitError::NotOnTree { session: m.id.clone() })
}

/// Whether a session can be held against a tree at all.
fn check(state: &State, m: &Meta, onto: &TreeInfo) -> Result<(), CommitError> {
    let own = stands_on(m)?;
    let why = match onto.fault() {
        Some(why) => Some(why),
        None if (&onto.store, &onto.project) != (&own.store, &own.project) => {
            Some("it is of another project than the session")
        }
        None => None,
    };
    if let Some(why) = why {
        return Err(CommitError::Tree { session: m.id.clone(), tree: Box::new(onto.clone()), why });
    }
    Ok(layers::check_store(state, m)?)
}

/// A session, the tree that it stands on and another one. Paths are relative to what it branches.
struct Sides {
    view: View,
    set: ChangeSet,
    was: Arc<dyn Lower>,
    now: Arc<dyn Lower>,
}

impl Sides {
    fn open(state: &Arc<State>, m: &Meta, onto: &TreeInfo) -> FsResult<Self> {
        let was = layers::base(state, m)?;
        let view = layers::view_over(state, was.clone(), &m.layers, layers::read_only(state))?;
        let set = as_first_seen(view.changes()?);
        Ok(Self { view, set, was, now: lower::tree(state, m, onto)? })
    }

    /// As a commit finds them in a base.
    fn conflicts(&self, m: &Meta, onto: &TreeInfo) -> Result<Vec<Conflict>, CommitError> {
        let set = comparable(&self.set);
        let fail = |e| view_error(m, e);
        let facts = Facts::of_tree(&*self.now, &set).map_err(fail)?;
        let input = Input {
            set: &set,
            times: &BTreeMap::new(),
            facts: &facts,
            history: &History::default(),
            t0: NEVER,
            above: BTreeMap::new(),
            reads: None,
        };
        match plan(&input).map_err(|no| preflight::refusal(&m.id, no)) {
            Ok(_) => Ok(Vec::new()),
            Err(CommitError::Conflict { conflicts, .. }) => Ok(on_head(conflicts, m, onto)),
            Err(CommitError::Refused { path, why }) => {
                Err(CommitError::Refused { path: m.subdir.join_path(&path), why })
            }
            Err(e) => Err(e),
        }
    }

    fn versions(&self) -> Versions<'_> {
        let was = Ancestor::Shared(Arc::new(Flat(self.was.clone())));
        Versions::new(&self.view, &self.set, was, self.now.clone())
    }
}

/// A change set in which nothing has a time.
fn comparable(set: &ChangeSet) -> ChangeSet {
    let never = Time::default();
    let bare = |m: FileMeta| FileMeta { nlink: 1, atime: never, mtime: never, ctime: never, ..m };
    let change = |c: &Change| Change { before: c.before.map(bare), ..c.clone() };
    let seen = |(path, o): (&RelPath, &Observed)| {
        (path.clone(), Observed { fingerprint: o.fingerprint.map(timeless), ..o.clone() })
    };
    ChangeSet {
        changes: set.changes.iter().map(change).collect(),
        observed: set.observed.iter().map(seen).collect(),
    }
}

/// What a plan takes for drift is what landed on the head.
fn on_head(conflicts: Vec<Conflict>, m: &Meta, onto: &TreeInfo) -> Vec<Conflict> {
    let told = |c: Conflict| {
        let theirs = match c.theirs {
            Theirs::Drift { what } => {
                let (project, position) = (onto.project.clone(), onto.position);
                Theirs::Head { project, position, what }
            }
            theirs => theirs,
        };
        Conflict { path: m.subdir.join_path(&c.path), theirs, ..c }
    };
    conflicts.into_iter().map(told).collect()
}

/// See [`Session::conflicts_onto`](crate::Session::conflicts_onto).
pub(crate) fn conflicts(
    state: &Arc<State>,
    id: &SessionId,
    onto: &TreeInfo,
) -> Result<Vec<Conflict>, CommitError> {
    let m = meta::load_open(state, id)?;
    check(state, &m, onto)?;
    if stands_on(&m)?.tree == onto.tree {
        return Ok(Vec::new());
    }
    Sides::open(state, &m, onto).map_err(|e| view_error(&m, e))?.conflicts(&m, onto)
}

/// See [`Session::reads_changed`](crate::Session::reads_changed).
pub(crate) fn reads_changed(
    state: &Arc<State>,
    id: &SessionId,
    onto: &TreeInfo,
) -> Result<Vec<Conflict>, CommitError> {
    let m = meta::load_open(state, id)?;
    check(state, &m, onto)?;
    if m.isolation != Isolation::Serializable {
        return Err(CommitError::NotTracked { session: id.clone() });
    }
    let fail = |e| view_error(&m, e);
    let view = layers::view(state, &m, layers::read_only(state)).map_err(fail)?;
    let seen = isolation::reads(state, &m, &view)?;
    let bare =
        |(path, read): (RelPath, Read)| (path, Read { seen: read.seen.map(timeless), ..read });
    let set = ReadSet { paths: seen.paths.into_iter().map(bare).collect(), whole: seen.whole };
    let now = lower::tree(state, &m, onto).map_err(fail)?;
    let mut facts = Facts::default();
    facts.gather_reads(&*now, &set).map_err(fail)?;
    facts.read.values_mut().for_each(|f: &mut Option<Fingerprint>| *f = f.map(timeless));
    let excluded = |path: &RelPath, dir: bool| now.excluded(path, dir);
    let reads = Reads { set: &set, subdir: &RelPath::root(), excluded: &excluded };
    let broken = on_head(reads.broken(&facts, &History::default(), NEVER), &m, onto);
    // Anything may have been read, and something is another.
    if broken.is_empty() && set.whole && stands_on(&m)?.tree != onto.tree {
        return Err(CommitError::ReadsUnknown { session: id.clone() });
    }
    Ok(broken)
}

/// Makes the changes of a session that is being written again on another tree. The caller keeps
/// other changes of its stack out. Gives the session's new record, which is on disk.
fn put<E: From<CommitError>>(
    state: &Arc<State>,
    m: &Meta,
    live: &View,
    onto: &TreeInfo,
    choose: impl Fn(&mut Vec<Conflict>, &Versions<'_>) -> Result<Resolutions, E>,
) -> Result<(Meta, Resolutions), E> {
    let fail = |e| view_error(m, e);
    let gate = live.gate();
    // What was read until now is known by the layers that are left.
    live.sync().map_err(fail)?;
    let sides = Sides::open(state, m, onto).map_err(fail)?;
    let mut conflicts = sides.conflicts(m, onto)?;
    let versions = sides.versions();
    let resolutions = choose(&mut conflicts, &versions)?;
    let fresh = Fresh::on_tree(state, m, onto)?;
    fresh
        .replay(sides.now.clone(), &versions, &resolutions, true)
        .map_err(|e| stuck(&m.id, &m.subdir, e).unwrap_or_else(|| too_often(&m.id)))?;
    let new = fresh.stack(m);
    let layer = layer_dir(state, fresh.layer()).doing(&m.id).map_err(CommitError::from)?;
    let below = layers::below(sides.now.clone(), live.tracks_reads());
    let to = gate.prepare_anew(cap(layer), below).map_err(fail)?;
    let new = keep(state, m, new, fresh, &resolutions, Some(Follow { gate, to }))?;
    Ok((new, resolutions))
}

/// Where the tree is the same, only the place of the head is another.
fn only_moves(state: &State, m: &Meta, onto: &TreeInfo) -> Result<bool, CommitError> {
    let own = stands_on(m)?;
    if own.tree != onto.tree {
        return Ok(false);
    }
    if own.position != onto.position {
        // The times that its files show stay: handles have seen them.
        let tree = TreeInfo { position: onto.position, ..own.clone() };
        let new = Meta { lower: LowerInfo::Tree(tree), ..m.clone() };
        meta::store_surely(state, &new, true).doing(&m.id)?;
    }
    Ok(true)
}

/// See [`Writer::rebase_onto`](crate::Writer::rebase_onto).
pub(crate) fn rebase(
    state: &Arc<State>,
    id: &SessionId,
    live: &View,
    onto: &TreeInfo,
    options: &RebaseOptions,
) -> Result<Rebased, CommitError> {
    let mut m = meta::load_open(state, id)?;
    check(state, &m, onto)?;
    let policy = options.policy;
    let as_commit = CommitOptions { accept_unclean: true, policy, ..CommitOptions::default() };
    admit(state, &m, &as_commit)?;
    let landing = m.landing;
    if only_moves(state, &m, onto)? {
        return Ok(Rebased { landing, moved: false, settled: Vec::new() });
    }
    let (done, conflicts) = by_rebase(&m, policy, |choose| put(state, &m, live, onto, choose));
    let new = match done {
        Err(CommitError::Conflict { session, conflicts }) => {
            note_conflict(state, &mut m, &conflicts, &as_commit);
            return Err(CommitError::Conflict { session, conflicts });
        }
        done => done?.0,
    };
    let mut e = entry(state, "rebased", &new, &as_commit);
    let settled = (!conflicts.is_empty()).then(|| Settled::new(policy, &conflicts));
    e.detail = Some(serde_json::json!({ "tree": onto, "settled": settled }));
    state.note(&e);
    let settled = conflicts.into_iter().map(|c| c.path).collect();
    Ok(Rebased { landing, moved: true, settled })
}

/// See [`Writer::resolve_onto`](crate::Writer::resolve_onto).
pub(crate) fn resolve(
    state: &Arc<State>,
    id: &SessionId,
    live: &View,
    onto: &TreeInfo,
    options: &ResolveOptions,
) -> Result<Resolved, ResolveError> {
    let m = meta::load_open(state, id).map_err(CommitError::from)?;
    check(state, &m, onto)?;
    let fits = CommitOptions { accept_unclean: true, ..CommitOptions::default() };
    match admit(state, &m, &fits) {
        // That is what resolving again is for.
        Ok(()) | Err(CommitError::Unresolved { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    let (new, resolutions) =
        put(state, &m, live, onto, |conflicts, versions| choose(&m, conflicts, versions, options))?;
    Ok(resolved(state, &m, &new, &resolutions, options, Some(onto)))
}
