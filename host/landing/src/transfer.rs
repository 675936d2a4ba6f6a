//! The changes of one session, made in another one as well: all of them, or none.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use brio_session::{
    ChangeKind, ChangeSet, FsError, FsResult, Kind, Lower, RelPath, View, ViewOptions,
};

use crate::commit::{as_first_seen, prepare};
use crate::flat::Flat;
use crate::lease::{Ask, Hold, Lease};
use crate::merge::{Content, Resolution, Version};
use crate::meta::{self, Meta};
use crate::policy::view_error;
use crate::rebase::{Resolutions, stuck};
use crate::replay::Replay;
use crate::state::State;
use crate::versions::{Ancestor, Versions};
use crate::{
    ApplyError, CommitError, CommitOptions, Draft, HostError, Isolation, SessionId, Theirs, layers,
    resolve,
};

/// What was made in another session. Paths are relative to what the sessions branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Applied {
    /// Paths that the other session has from here on as the first one has them.
    pub changed: Vec<RelPath>,
    /// Paths that it had so already.
    pub already: Vec<RelPath>,
}

/// See [`Session::apply_changes_to_session`](crate::Session::apply_changes_to_session).
pub(crate) fn apply(
    (from, a): (&Arc<State>, &SessionId),
    (into, b): (&Arc<State>, &SessionId),
) -> Result<Applied, ApplyError> {
    if a == b {
        return Ok(Applied::default());
    }
    let source = Source::take(from, a)?;
    let options = ViewOptions { vcs: true, door: into.disk.0.clone(), ..ViewOptions::default() };
    let mut draft = Draft::begin(into, b, "apply", options)?;
    let below = draft.below();
    let versions = Versions::new(
        &source.view,
        &source.set,
        Ancestor::Shared(source.before.clone()),
        below.clone(),
    );
    let fail = |e| ApplyError::from(view_error(&source.meta, e));
    let (resolutions, mut differs) = compare(&versions, &source.drifted).map_err(fail)?;
    if !differs.is_empty() {
        differs.dedup();
        return Err(ApplyError::Differs { from: a.clone(), session: b.clone(), differ: differs });
    }
    if let Some(c) = source.set.changes.iter().find(|c| {
        let dir = c.after.is_some_and(|m| m.kind == Kind::Dir);
        c.after.is_some() && below.excluded(&c.path, dir)
    }) {
        return Err(ApplyError::Excluded { session: b.clone(), path: c.path.clone() });
    }
    let of = |already: bool| {
        let paths = source.set.changes.iter().map(|c| &c.path);
        paths.filter(|p| resolutions.contains_key(*p) == already).cloned().collect()
    };
    let applied = Applied { changed: of(false), already: of(true) };
    if applied.changed.is_empty() {
        return Ok(applied);
    }
    Replay::new(draft.view(), &versions, &resolutions).run().map_err(|e| {
        stuck(b, &RelPath::root(), e).unwrap_or_else(|| {
            let e = std::io::Error::other("its base changed meanwhile; try again");
            HostError::new(format!("applying to {b}"), e).into()
        })
    })?;
    if source.meta.unclean(&from.options.boot_id) {
        draft.mark_torn();
    }
    let mut entry = into.entry("applied", Some(b));
    entry.detail = Some(serde_json::json!({ "from": a, "changes": applied.changed.len() }));
    draft.keep_as(&entry)?;
    Ok(applied)
}

/// What a session changed itself, held still.
struct Source {
    meta: Meta,
    view: View,
    set: ChangeSet,
    /// What lies under it: its base, or its parent as it was when it began.
    before: Arc<dyn Lower>,
    /// Paths that were changed outside of brio since it touched them: what it was made from is
    /// nowhere any more.
    drifted: Vec<RelPath>,
    _lease: Lease,
}

impl Source {
    fn take(state: &Arc<State>, id: &SessionId) -> Result<Self, ApplyError> {
        let lease = Lease::take(state, id, Ask::Refuse, Hold::Brief("apply"))?;
        let m = meta::load_open(state, id).map_err(CommitError::from)?;
        let marked = resolve::unresolved(state, &m)?;
        if !marked.is_empty() {
            return Err(CommitError::Unresolved { session: id.clone(), marked }.into());
        }
        let fail = |e| ApplyError::from(view_error(&m, e));
        let (before, view) = open(state, &m).map_err(fail)?;
        let set = as_first_seen(view.changes().map_err(fail)?);
        let drifted = if m.parent.is_none() { drifted(state, &m)? } else { Vec::new() };
        Ok(Self { meta: m, view, set, before, drifted, _lease: lease })
    }
}

fn open(state: &Arc<State>, m: &Meta) -> FsResult<(Arc<dyn Lower>, View)> {
    let (shared, own) = m.layers.split_at(m.inherited);
    let base = layers::seal_over(state, layers::base(state, m)?, shared)?;
    let before: Arc<dyn Lower> = if shared.is_empty() { base } else { Arc::new(Flat(base)) };
    let view = layers::view_over(state, before.clone(), own, layers::read_only(state))?;
    Ok((before, view))
}

fn drifted(state: &Arc<State>, m: &Meta) -> Result<Vec<RelPath>, CommitError> {
    if state.frozen_only().is_some() || !m.lower.is_live() {
        return Ok(Vec::new());
    }
    let options =
        CommitOptions { isolation: Some(Isolation::Snapshot), ..CommitOptions::default() };
    match prepare(state, m, &options, None)?.plan() {
        Ok(_) => Ok(Vec::new()),
        Err(CommitError::Conflict { conflicts, .. }) => {
            let drift = conflicts.into_iter().filter(|c| matches!(c.theirs, Theirs::Drift { .. }));
            Ok(drift.filter_map(|c| c.path.strip_prefix(&m.subdir)).collect())
        }
        Err(e) => Err(e),
    }
}

/// Which changes the other session has already, and where it has something else than what they
/// were made from.
fn compare(versions: &Versions<'_>, drifted: &[RelPath]) -> FsResult<(Resolutions, Vec<RelPath>)> {
    let ours: HashSet<&RelPath> = versions.set.changes.iter().map(|c| &c.path).collect();
    let theirs = &*versions.theirs;
    let (mut already, mut differs) = (BTreeMap::new(), Vec::new());
    let mut seen = HashSet::new();
    for c in &versions.set.changes {
        for up in c.path.ancestors().filter(|up| !ours.contains(up)) {
            if seen.insert(up.clone()) && !up.is_root() && !is_dir(theirs, &up)? {
                differs.push(up);
            }
        }
        let case = versions.case(&c.path)?;
        let made_by_both = c.kind == ChangeKind::Added
            && [&case.ours, &case.theirs]
                .iter()
                .all(|v| v.as_ref().is_some_and(|v| v.kind() == Kind::Dir));
        if c.kind == ChangeKind::MetaOnly && same(&case.ours, &case.theirs) {
            let times = versions.ours.explicit_times(&c.path)?;
            if times.is_some_and(|(_, m)| theirs.stat(&c.path).is_ok_and(|t| t.mtime != m)) {
                continue;
            }
        }
        if made_by_both || same(&case.ours, &case.theirs) {
            already.insert(c.path.clone(), Resolution::Theirs);
            continue;
        }
        if drifted.contains(&c.path) || !same(&case.base, &case.theirs) {
            differs.push(c.path.clone());
            continue;
        }
        let was_dir = case.base.is_some_and(|v| v.kind() == Kind::Dir);
        if was_dir && c.after.is_none_or(|m| m.kind != Kind::Dir) {
            for entry in theirs.list(&c.path)? {
                let path = c.path.join(&entry.name);
                if !ours.contains(&path) {
                    differs.push(path);
                }
            }
        }
    }
    differs.sort();
    Ok((already, differs))
}

fn is_dir(lower: &dyn Lower, path: &RelPath) -> FsResult<bool> {
    match lower.stat(path) {
        Ok(m) => Ok(m.kind == Kind::Dir),
        Err(FsError::NotFound | FsError::NotDirectory) => Ok(false),
        Err(e) => Err(e),
    }
}

fn same(a: &Option<Version>, b: &Option<Version>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let mode = a.mode == b.mode || a.kind() == Kind::Symlink;
            mode && match (&a.content, &b.content) {
                (Content::File { sha256: a, .. }, Content::File { sha256: b, .. }) => {
                    a.is_some() && a == b
                }
                // A device, a socket: nobody can tell.
                (Content::Other, Content::Other) => false,
                (a, b) => a == b,
            }
        }
        _ => false,
    }
}
