//! `resolve`: a conflicted session is rebased on the base as it is now and stays open. Texts
//! that overlap carry conflict markers; what has no text form is chosen by whoever resolves.

use std::collections::BTreeMap;
use std::io::Read;
use std::str::FromStr;
use std::sync::Arc;

use brio_session::{FsResult, Kind, RelPath, View};
use serde::{Deserialize, Serialize};

use crate::commit::{admit, entry};
use crate::merge::{Case, Resolution, Unmerged, force, merge};
use crate::merge_text::{Labels, is_marked};
use crate::meta::Meta;
use crate::policy::{settle, view_error};
use crate::rebase::Resolutions;
use crate::state::State;
use crate::versions::{Versions, stat};
use crate::{
    CommitError, CommitOptions, Conflict, ResolveError, SessionId, Theirs, TreeInfo, heads, layers,
    meta, onto,
};

/// Which side of a conflict is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    /// What the session has.
    Ours,
    /// What the base (of a child: the parent) has now.
    Theirs,
    /// What was there before either change.
    Base,
}

impl Take {
    /// As it is written on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Theirs => "theirs",
            Self::Base => "base",
        }
    }
}

/// A word that names no side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no side (ours, theirs, base)")]
pub struct BadTake(pub String);

impl FromStr for Take {
    type Err = BadTake;

    fn from_str(text: &str) -> Result<Self, BadTake> {
        [Self::Ours, Self::Theirs, Self::Base]
            .into_iter()
            .find(|t| t.as_str() == text)
            .ok_or_else(|| BadTake(text.to_owned()))
    }
}

/// How a session is resolved.
#[derive(Debug, Clone, Default)]
pub struct ResolveOptions {
    /// Sides taken by path, relative to the domain's root; a directory means all below it. The
    /// longest path that fits counts.
    pub takes: Vec<(RelPath, Take)>,
    /// Ask a live run to stop first (5 s), instead of refusing.
    pub stop: bool,
}

/// What a resolve did. Paths are relative to the domain's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The session sees the base as of this landing now.
    pub landing: u64,
    /// Merged without a doubt.
    pub merged: Vec<RelPath>,
    /// Texts that carry conflict markers: a commit refuses while they do.
    pub marked: Vec<RelPath>,
    /// Settled as they were told to be.
    pub taken: Vec<(RelPath, Take)>,
}

/// See [`Domain::resolve`](crate::Domain::resolve).
pub(crate) fn resolve(
    state: &Arc<State>,
    id: &SessionId,
    options: &ResolveOptions,
) -> Result<Resolved, ResolveError> {
    let first = meta::load_open(state, id).map_err(CommitError::from)?;
    if let Some(heads) = heads::of(state, &first)? {
        return heads::resolve(state, &*heads, &first, options);
    }
    let (m, _lease, _parent) = onto::take(state, id, "resolve", options.stop)?;
    let fits = CommitOptions { accept_unclean: true, ..CommitOptions::default() };
    match admit(state, &m, &fits) {
        // That is what resolving again is for.
        Ok(()) | Err(CommitError::Unresolved { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    let m = &m;
    let (new, resolutions) =
        onto::put(state, m, |conflicts, versions| choose(m, conflicts, versions, options))?;
    Ok(resolved(state, m, &new, &resolutions, options, None))
}

/// Tells what a resolve did, here and in the journal. `onto`: the tree that the session stands on now.
pub(crate) fn resolved(
    state: &State,
    m: &Meta,
    new: &Meta,
    resolutions: &Resolutions,
    options: &ResolveOptions,
    onto: Option<&TreeInfo>,
) -> Resolved {
    let is_text = |how: &Resolution| matches!(how, Resolution::Text { marked: true, .. });
    let up = |p: &RelPath| m.subdir.join_path(p);
    let takes = Takes::new(m, options);
    let taken = |p: &RelPath| takes.of(p).map(|t| (up(p), t));
    let done = Resolved {
        landing: new.landing,
        taken: resolutions.keys().filter_map(taken).collect(),
        marked: new.unresolved.iter().map(up).collect(),
        merged: resolutions
            .iter()
            .filter(|(p, how)| takes.of(p).is_none() && !is_text(how))
            .map(|(p, _)| up(p))
            .collect(),
    };
    let mut e = entry(state, "resolved", new, &CommitOptions::default());
    let paths = |all: &[RelPath]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let taken: BTreeMap<_, _> =
        done.taken.iter().map(|(p, t)| (p.to_string(), t.as_str())).collect();
    e.detail = Some(serde_json::json!({
        "landing": done.landing, "merged": paths(&done.merged), "marked": paths(&done.marked),
        "taken": taken,
    }));
    if let (Some(tree), Some(detail)) = (onto, &mut e.detail) {
        detail["tree"] = serde_json::json!(tree);
    }
    state.note(&e);
    done
}

/// The sides that were taken, relative to what the session branches.
struct Takes(BTreeMap<RelPath, Take>);

impl Takes {
    fn new(m: &Meta, options: &ResolveOptions) -> Self {
        let inside = |(p, t): &(RelPath, Take)| Some((p.strip_prefix(&m.subdir)?, *t));
        Self(options.takes.iter().filter_map(inside).collect())
    }

    /// The take with the longest path that fits.
    fn of(&self, path: &RelPath) -> Option<Take> {
        self.0.get(path).copied().or_else(|| {
            let ups: Vec<_> = path.ancestors().collect();
            ups.iter().rev().find_map(|up| self.0.get(up).copied())
        })
    }
}

/// A resolution for every path in conflict, or what must be chosen.
pub(crate) fn choose(
    m: &Meta,
    conflicts: &mut Vec<Conflict>,
    versions: &Versions<'_>,
    options: &ResolveOptions,
) -> Result<Resolutions, ResolveError> {
    let takes = Takes::new(m, options);
    let fail = |e| ResolveError::from(view_error(m, e));
    let chosen = |c: &Conflict, case: &Case| {
        let Some(path) = c.path.strip_prefix(&m.subdir) else { return Err(Unmerged::Branch) };
        match takes.of(&path) {
            Some(Take::Ours) => Ok(force(case)),
            Some(Take::Theirs) => Ok(Resolution::Theirs),
            Some(Take::Base) if c.ours.is_none() => Err(Unmerged::Directory),
            Some(Take::Base) => base_of(case, versions, &path),
            // Everything of ours below it was chosen by itself.
            None if c.ours.is_none() && covered(versions, &takes, &path) => Ok(Resolution::Theirs),
            None if m.unresolved.contains(&path)
                && still_marked(versions.ours, &path).unwrap_or(true) =>
            {
                Err(Unmerged::Markers)
            }
            None => merge(case, Some(&labels(m, c))),
        }
    };
    let settled = settle(conflicts, versions, &m.subdir, chosen).map_err(fail)?;
    let involved: Vec<RelPath> =
        conflicts.iter().filter_map(|c| c.path.strip_prefix(&m.subdir)).collect();
    for path in takes.0.keys() {
        let fits = |p: &RelPath| p.starts_with(path) || path.starts_with(p);
        if !involved.iter().any(fits) {
            return Err(ResolveError::NoConflict { path: m.subdir.join_path(path) });
        }
    }
    let needs_choice = |conflicts: &mut Vec<Conflict>| {
        conflicts.retain(|c| c.unmerged.is_some());
        Err(ResolveError::Choose { session: m.id.clone(), conflicts: std::mem::take(conflicts) })
    };
    let Some(mut out) = settled else { return needs_choice(conflicts) };
    // What is not in conflict itself, but lies in a directory that is.
    for c in &versions.set.changes {
        let in_conflict = |up: RelPath| involved.contains(&up);
        if !out.contains_key(&c.path) && c.path.ancestors().skip(1).any(in_conflict) {
            match takes.of(&c.path) {
                Some(Take::Theirs) => out.insert(c.path.clone(), Resolution::Theirs),
                Some(Take::Ours) => out.insert(c.path.clone(), Resolution::Ours),
                Some(Take::Base) | None => None,
            };
        }
    }
    // What others put into a directory cannot stay where that becomes something else.
    let replaced = |c: &&brio_session::Change| {
        c.before.is_some_and(|m| m.kind == Kind::Dir)
            && c.after.is_some_and(|m| m.kind != Kind::Dir)
    };
    for dir in versions.set.changes.iter().filter(replaced) {
        let stays = |(p, how): (&RelPath, &Resolution)| {
            p.starts_with(&dir.path) && *p != dir.path && *how == Resolution::Theirs
        };
        let gone = matches!(out.get(&dir.path), Some(Resolution::Theirs));
        if !gone && out.iter().any(|e| stays(e) && versions.change(e.0).is_none()) {
            for c in conflicts.iter_mut() {
                let inside = c.path.strip_prefix(&m.subdir);
                if inside.is_some_and(|p| p.starts_with(&dir.path)) {
                    c.unmerged = Some(Unmerged::Kind);
                }
            }
            return needs_choice(conflicts);
        }
    }
    Ok(out)
}

fn base_of(case: &Case, versions: &Versions<'_>, path: &RelPath) -> Result<Resolution, Unmerged> {
    let Some(base) = &case.base else { return Ok(Resolution::Base) };
    let kept = match base.kind() {
        Kind::File => matches!(versions.base_file(path), Ok(Some(_))),
        Kind::Other => false,
        Kind::Dir | Kind::Symlink => true,
    };
    if kept { Ok(Resolution::Base) } else { Err(Unmerged::NoAncestor) }
}

/// Whether every change of ours below a directory was chosen.
fn covered(versions: &Versions<'_>, takes: &Takes, dir: &RelPath) -> bool {
    let below = versions.set.changes.iter().filter(|c| c.path.starts_with(dir));
    let mut chosen = below.map(|c| takes.of(&c.path).is_some()).peekable();
    chosen.peek().is_some() && chosen.all(|c| c)
}

fn labels(m: &Meta, c: &Conflict) -> Labels {
    let goal = |g: &Option<String>| g.as_ref().map(|g| format!(", \"{g}\"")).unwrap_or_default();
    let theirs = match &c.theirs {
        Theirs::Landing { number, goal: g, .. } => format!("theirs (landing {number}{})", goal(g)),
        Theirs::Parent { session, .. } => format!("theirs (parent {session})"),
        Theirs::Head { project, position, .. } => {
            format!("theirs (head of {project}, position {position})")
        }
        Theirs::Drift { .. } | Theirs::Busy => "theirs (changed outside of brio)".to_owned(),
    };
    Labels {
        ours: format!("ours ({}{})", m.id, goal(&m.metadata.goal)),
        base: "base".to_owned(),
        theirs,
    }
}

/// The paths of a session that still carry conflict markers.
pub(crate) fn unresolved(state: &Arc<State>, m: &Meta) -> Result<Vec<RelPath>, CommitError> {
    if m.unresolved.is_empty() {
        return Ok(Vec::new());
    }
    let fail = |e| view_error(m, e);
    let view = layers::view(state, m, layers::read_only(state)).map_err(fail)?;
    let mut out = Vec::new();
    for path in &m.unresolved {
        if still_marked(&view, path).map_err(fail)? {
            out.push(m.subdir.join_path(path));
        }
    }
    Ok(out)
}

pub(crate) fn still_marked(view: &View, path: &RelPath) -> FsResult<bool> {
    if stat(view, path)?.is_none_or(|m| m.kind != Kind::File) {
        return Ok(false);
    }
    let mut text = Vec::new();
    view.change_content(path)?.source()?.reader().read_to_end(&mut text)?;
    Ok(is_marked(&text))
}
