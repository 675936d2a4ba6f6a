//! Sessions that branch a session: a child begins on the parent's sealed layers, and lands by
//! becoming the next layer of the parent, in one atomic rewrite of the parent's layer list.
//!
//! A layer speaks of the paths of what lies under it only, so where nothing conflicts a child's
//! layer means on the taller stack what it meant on the lower one; where it would not (a
//! directory that both made), and where a policy settles conflicts, the child is rebased first.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use brio_session::{
    Change, ChangeKind, ChangeSet, FsError, FsResult, Kind, Lower, RelPath, View, WriteGate,
};

use crate::begin::{self, New, fs_io};
use crate::errors::Doing;
use crate::flat::Flat;
use crate::lease::{Ask, Hold, Lease};
use crate::meta::{Layer, Meta, cap, layer_dir};
use crate::policy::{Settled, by_policy, fill, settle, too_often, view_error};
use crate::reads::Nested;
use crate::rebase::{Fresh, stuck};
use crate::state::State;
use crate::versions::{Ancestor, Versions, stat};
use crate::{
    BeginError, BeginOptions, CommitError, CommitOptions, Conflict, HostError, Landed, LeaseError,
    Policy, Session, SessionId, Theirs, What, binds, commit, home, isolation, layers, meta, notes,
    rebase, seal,
};

/// Begins a child. The caller holds the parent's lease; `live` is the parent's view, if it is
/// being written.
pub(crate) fn begin(
    state: &Arc<State>,
    parent: &SessionId,
    options: BeginOptions,
    live: Option<&View>,
) -> Result<Session, BeginError> {
    let session = |e| BeginError::Parent(LeaseError::Session(e));
    let mut meta = meta::load_open(state, parent).map_err(session)?;
    let options =
        BeginOptions { parent: Some(parent.clone()), subdir: meta.subdir.clone(), ..options };
    let mut before = meta.clone();
    let gate = live.map(View::gate);
    before.layers = written(state, &meta, live)?;
    if before.layers.len() == meta.layers.len() {
        restack(state, &mut meta, &[], gate.as_ref())?;
    }
    drop(gate);
    let new = New {
        landing: before.landing,
        dirs: before.dirs.clone(),
        options: &options,
        parent: Some(&before),
        lower: begin::NewLower::default(),
        undo_of: None,
    };
    let id = begin::make(state, &new)?;
    begin::tell(state, &id, &options);
    Ok(Session::new(state.clone(), id))
}

/// Begins a child of a session that nobody writes.
pub(crate) fn begin_idle(
    state: &Arc<State>,
    parent: &SessionId,
    options: BeginOptions,
) -> Result<Session, BeginError> {
    let _lease = Lease::take(state, parent, Ask::Refuse, Hold::Brief("begin of a child"))?;
    begin(state, parent, options, None)
}

/// The layers in which something may be: all but an upper that nobody has changed anything in.
/// What goes on top of these needs no new layer below it. The caller sees to it that nobody
/// writes meanwhile.
pub(crate) fn written(
    state: &State,
    meta: &Meta,
    live: Option<&View>,
) -> Result<Vec<Layer>, HostError> {
    let Some((upper, below)) = meta.layers.split_last() else { return Ok(Vec::new()) };
    let fail = |e| HostError::new(&meta.id, fs_io(e));
    let dir = cap(layer_dir(state, upper).doing(&meta.id)?);
    // A view that could not follow an earlier change of the stack still writes below.
    let follows = live.map_or(Ok(true), |view| view.writes_to(&dir)).map_err(fail)?;
    let empty = follows
        && View::layer_is_empty(&dir).map_err(fail)?
        && !notes::lie_in(&dir).doing(&meta.id)?;
    Ok(if empty { below.to_vec() } else { meta.layers.clone() })
}

/// Puts layers and a new upper on a session's stack. The record is written first: until the
/// live view follows, it writes to a layer that is still part of the session.
pub(crate) fn restack(
    state: &State,
    meta: &mut Meta,
    between: &[Layer],
    live: Option<&WriteGate<'_>>,
) -> Result<(), HostError> {
    let upper = new_layer(state, meta)?;
    restack_under(state, meta, upper, between, live)
}

/// As [`restack`], with an upper that was made for it.
fn restack_under(
    state: &State,
    meta: &mut Meta,
    (upper, layer): (Layer, cap_std::fs::Dir),
    between: &[Layer],
    live: Option<&WriteGate<'_>>,
) -> Result<(), HostError> {
    let what = &meta.id.clone();
    meta.layers.extend(between.iter().cloned());
    meta.layers.push(upper);
    meta::store_surely(state, meta, false).doing(what)?;
    if let Some(gate) = live {
        let between = between
            .iter()
            .map(|l| layer_dir(state, l).map(cap))
            .collect::<Result<_, _>>()
            .doing(what)?;
        gate.restack(between, layer).map_err(|e| HostError::new(what, fs_io(e)))?;
    }
    Ok(())
}

/// Makes an empty layer in a session's directory. It is the session's once `meta.json` lists it.
pub(crate) fn new_layer(
    state: &State,
    meta: &Meta,
) -> Result<(Layer, cap_std::fs::Dir), HostError> {
    let what = &meta.id;
    let upper = Layer { session: what.clone(), n: meta.next_layer() };
    let dir = meta::dir(state, what).doing(what)?;
    let name = meta::layer_name(upper.n);
    // What a crash left of an earlier attempt.
    state.disk.remove_tree(&dir, name.as_bytes()).doing(what)?;
    state.disk.mkdir(&dir, name.as_bytes(), 0o700).doing(what)?;
    let layer = cap(layer_dir(state, &upper).doing(what)?);
    View::create_layer(&layer, &state.disk.0).map_err(|e| HostError::new(what, fs_io(e)))?;
    Ok((upper, layer))
}

/// Lands a child in its parent. The caller holds the parent's lease.
pub(crate) fn land(
    state: &Arc<State>,
    parent: &SessionId,
    child: &SessionId,
    options: &CommitOptions,
    live: Option<&View>,
) -> Result<Landed, CommitError> {
    let _lease = Lease::take(state, child, Ask::stop_if(options.stop), Hold::Brief("commit"))?;
    let mut c = meta::load_open(state, child)?;
    commit::admit(state, &c, options)?;
    let mut p = meta::load_open(state, parent)?;
    if c.parent.as_ref() != Some(parent)
        || p.layers.get(..c.inherited) != c.layers.get(..c.inherited)
    {
        let what = format!("it is no child of {parent}");
        return Err(crate::SessionError::Corrupt { id: child.clone(), what }.into());
    }
    // What the child is compared with is what it is put on.
    let gate = live.map(View::gate);
    let sides = Sides::open(state, &c, &p).map_err(|e| view_error(&c, e))?;
    if let Some(seal) = &options.sealed {
        let checked = seal::child_as_sealed(state, (&c, &p), &sides, gate.as_ref(), seal);
        checked.inspect_err(|e| commit::note_broken(state, &c, options, e))?;
    }
    let mut conflicts = compare(&sides.ours, &sides.theirs, parent, &c.subdir);
    if isolation::wanted(&c, options) && !sides.ours.changes.is_empty() {
        unread(state, &c, &sides, parent, &mut conflicts)?;
    }
    let mut between = c.layers[c.inherited..].to_vec();
    let mut fresh = None;
    if !conflicts.is_empty() || !sides.stack_up(state, &c).map_err(|e| view_error(&c, e))? {
        match settled(state, &c, &sides, &mut conflicts, options.policy)? {
            Some(layer) => {
                between = vec![layer.layer().clone()];
                fresh = Some(layer);
            }
            None => {
                c.conflicted = true;
                let _ = meta::store(state, child, &c, false);
                return Err(CommitError::Conflict { session: child.clone(), conflicts });
            }
        }
    }
    let ours = sides.ours;
    p.absorbed.push(child.clone());
    p.absorbed.extend(c.absorbed.iter().cloned());
    let upper = new_layer(state, &p)?;
    let carried = notes::changes(state, &c)?;
    notes::land_in_parent(state, &carried, (&c, &p), &upper.1)?;
    if let Some(fresh) = &fresh {
        notes::carry(state, &carried, fresh.layer())?;
    }
    restack_under(state, &mut p, upper, &between, gate.as_ref())?;
    drop(gate);
    binds::forget(state, child);
    let mut entry = commit::entry(state, "landed-in-parent", &c, options);
    entry.parent = Some(parent.clone());
    if let Some(fresh) = fresh {
        fresh.keep();
        for layer in c.layers[c.inherited..].iter().filter(|l| !p.lists(l)) {
            if let Err(e) = rebase::remove(state, layer) {
                tracing::warn!("a layer that nothing lists was not removed: {e}");
            }
        }
        if !conflicts.is_empty() {
            let settled = Settled::new(options.policy, &conflicts);
            let message = &options.message;
            entry.detail = Some(serde_json::json!({ "message": message, "settled": settled }));
        }
    }
    state.note(&entry);
    state.tell_home(&home::end_line(child));
    Ok(Landed {
        landing: None,
        changes: commit::rebased(ours, &c.subdir),
        notes: carried.into_iter().map(|change| change.path).collect(),
        warnings: Vec::new(),
        parent: Some(parent.clone()),
        head: None,
        children: Vec::new(),
    })
}

/// Adds what a child read and its parent changed since.
fn unread(
    state: &Arc<State>,
    c: &Meta,
    sides: &Sides,
    parent: &SessionId,
    conflicts: &mut Vec<Conflict>,
) -> Result<(), CommitError> {
    let reads = isolation::reads(state, c, &sides.view)?;
    let inherited = inherited(state, c).map_err(|e| view_error(c, e))?;
    let nested = Nested { reads: &reads, inherited: &inherited, theirs: &sides.theirs };
    let written: BTreeSet<RelPath> = conflicts.iter().map(|c| c.path.clone()).collect();
    for broken in nested.broken(parent) {
        let path = c.subdir.join_path(&broken.path);
        if !written.contains(&path) {
            conflicts.push(Conflict { path, ..broken });
        }
    }
    Ok(())
}

/// What the parent had changed when the child began.
fn inherited(state: &Arc<State>, c: &Meta) -> FsResult<ChangeSet> {
    if c.inherited == 0 {
        return Ok(ChangeSet::default());
    }
    let (base, shared) = (layers::base(state, c)?, &c.layers[..c.inherited]);
    layers::view_over(state, base, shared, layers::read_only(state))?.changes()
}

/// What a child and its parent have, and what each changed since the child began.
pub(crate) struct Sides {
    shared: Arc<Flat>,
    view: View,
    now: Arc<dyn Lower>,
    pub(crate) ours: ChangeSet,
    pub(crate) theirs: ChangeSet,
}

impl Sides {
    pub(crate) fn open(state: &Arc<State>, c: &Meta, p: &Meta) -> FsResult<Self> {
        let below = layers::seal_over(state, layers::base(state, c)?, &c.layers[..c.inherited])?;
        let shared = Arc::new(Flat(below));
        let of =
            |own: &[Layer]| layers::view_over(state, shared.clone(), own, layers::read_only(state));
        let view = of(&c.layers[c.inherited..])?;
        let theirs = of(&p.layers[c.inherited..])?.changes()?;
        let now = layers::seal_over(state, layers::base(state, p)?, &p.layers)?;
        Ok(Self { ours: view.changes()?, view, theirs, now, shared })
    }

    /// Whether the child's layers mean on the parent's what they meant below: a directory that
    /// the child made, or made anew, is opaque and would hide what the parent put there.
    fn stack_up(&self, state: &State, c: &Meta) -> FsResult<bool> {
        let stacked = layers::seal_over(state, self.now.clone(), &c.layers[c.inherited..])?;
        let ours: HashSet<&RelPath> = self.ours.changes.iter().map(|c| &c.path).collect();
        for t in self.theirs.changes.iter().filter(|t| !ours.contains(&t.path)) {
            let (is, was) = (look(&*stacked, &t.path)?, look(&*self.now, &t.path)?);
            if is != was {
                return Ok(false);
            }
        }
        for o in &self.ours.changes {
            let is = look(&*stacked, &o.path)?.map(|(kind, mode, size, _)| (kind, mode, size));
            let was = stat(&self.view, &o.path)?.map(|m| (m.kind, m.mode, m.size));
            if is != was {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The child as it is over what its parent was.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// As a merge looks at them.
    pub(crate) fn versions(&self) -> Versions<'_> {
        let shared = Ancestor::Shared(self.shared.clone());
        Versions::new(&self.view, &self.ours, shared, self.now.clone())
    }
}

fn look(lower: &dyn Lower, path: &RelPath) -> FsResult<Option<(Kind, u32, u64, u64)>> {
    match lower.stat(path) {
        Ok(m) => Ok(Some((m.kind, m.mode, m.size, m.ino))),
        Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Rebases a child on its parent as a policy settles their conflicts. `None`: it cannot; the
/// conflicts say why.
fn settled(
    state: &Arc<State>,
    c: &Meta,
    sides: &Sides,
    conflicts: &mut [Conflict],
    policy: Policy,
) -> Result<Option<Fresh>, CommitError> {
    let versions = sides.versions();
    if policy == Policy::Reject && !conflicts.is_empty() {
        fill(conflicts, &versions, &c.subdir);
        return Ok(None);
    }
    let settled = settle(conflicts, &versions, &c.subdir, by_policy(policy));
    let Some(resolutions) = settled.map_err(|e| view_error(c, e))? else { return Ok(None) };
    let fresh = Fresh::on_parent(state, c)?;
    fresh
        .replay(sides.now.clone(), &versions, &resolutions, false)
        .map_err(|e| stuck(&c.id, &c.subdir, e).unwrap_or_else(|| too_often(&c.id)))?;
    Ok(Some(fresh))
}

/// The conflicts of a child with what its parent changed since.
pub(crate) fn conflicts(
    state: &Arc<State>,
    c: &Meta,
    p: &Meta,
) -> Result<Vec<Conflict>, CommitError> {
    let sides = Sides::open(state, c, p).map_err(|e| view_error(c, e))?;
    Ok(compare(&sides.ours, &sides.theirs, &p.id, &c.subdir))
}

fn is_dir(m: Option<&brio_session::Meta>) -> bool {
    m.is_some_and(|m| m.kind == Kind::Dir)
}

fn stops_being_a_dir(c: &Change) -> bool {
    is_dir(c.before.as_ref()) && !is_dir(c.after.as_ref())
}

/// Conflicts by path: the same path (unless both made a directory), or one side in a directory
/// that the other took away.
pub(crate) fn compare(
    ours: &ChangeSet,
    theirs: &ChangeSet,
    parent: &SessionId,
    subdir: &RelPath,
) -> Vec<Conflict> {
    let by_path: BTreeMap<&RelPath, &Change> =
        theirs.changes.iter().map(|c| (&c.path, c)).collect();
    let mut out = Vec::new();
    let mut add = |path: &RelPath, ours: Option<ChangeKind>, t: &Change| {
        let theirs = Theirs::Parent { session: parent.clone(), what: what(t) };
        let path = subdir.join_path(path);
        out.push(Conflict {
            path,
            ours,
            read: false,
            theirs,
            sides: crate::conflict::Sides::default(),
            unmerged: None,
        });
    };
    for o in &ours.changes {
        if let Some(t) = by_path.get(&o.path) {
            let both_made = o.kind == ChangeKind::Added && t.kind == ChangeKind::Added;
            if !(both_made && is_dir(o.after.as_ref()) && is_dir(t.after.as_ref())) {
                add(&o.path, Some(o.kind), t);
            }
            continue;
        }
        if let Some(t) = o
            .path
            .ancestors()
            .filter_map(|a| by_path.get(&a).copied())
            .find(|t| stops_being_a_dir(t))
        {
            add(&o.path, Some(o.kind), t);
        }
        if stops_being_a_dir(o) {
            for (path, t) in by_path
                .range::<RelPath, _>(&o.path..)
                .take_while(|(p, _)| p.as_bytes().starts_with(o.path.as_bytes()))
            {
                let ours = ours.changes.iter().any(|c| c.path == **path);
                if path.starts_with(&o.path) && !ours {
                    add(path, None, t);
                }
            }
        }
    }
    out
}

/// What a change was, for the other side.
pub(crate) fn what(c: &Change) -> What {
    match c.kind {
        ChangeKind::Added => What::Added,
        ChangeKind::Removed => What::Removed,
        ChangeKind::TypeChanged => What::Replaced,
        ChangeKind::Modified | ChangeKind::MetaOnly => What::Modified,
    }
}

/// A session and those that landed in it: their directories go together.
pub(crate) fn family(meta: &Meta) -> impl Iterator<Item = &SessionId> {
    std::iter::once(&meta.id).chain(&meta.absorbed)
}
