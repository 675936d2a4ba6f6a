//! Whether a history is one that snapshot isolation allows: it knows the records and a model of
//! a directory, nothing of the engine.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Node, Tree, apply, changes, parent};
use crate::record::{Copy, End, Session};

type Changes = BTreeMap<String, Option<Node>>;

/// What a good history looked like.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) sessions: usize,
    pub(crate) landed: usize,
    pub(crate) conflicts: usize,
    pub(crate) unchanged: usize,
    pub(crate) rolled_back: usize,
    pub(crate) answers: usize,
    pub(crate) copies: usize,
    /// Landings whose base had moved since their session began.
    pub(crate) moved: usize,
}

struct Landed<'a> {
    session: &'a Session,
    changes: Changes,
    /// Every path that an operation named; a superset of what it changed.
    named: BTreeSet<String>,
}

/// Checks it, from `first` to `last`: what the base held before and holds after.
pub(crate) fn check(
    first: &Tree,
    last: &Tree,
    sessions: &[Session],
    copies: &[Copy],
) -> Result<Report, String> {
    let mut report = Report { sessions: sessions.len(), copies: copies.len(), ..Report::default() };
    let mut order: Vec<(u64, &Session)> = sessions
        .iter()
        .filter_map(|s| match s.end {
            End::Landed(k) => Some((k, s)),
            _ => None,
        })
        .collect();
    order.sort_by_key(|(k, _)| *k);
    for (i, (k, s)) in order.iter().enumerate() {
        if *k != i as u64 + 1 {
            return Err(format!("landing {} is missing or twice; {} has {k}", i + 1, s.id));
        }
    }
    // The base as of each landing.
    let mut states = vec![first.clone()];
    let mut landed: Vec<Landed<'_>> = Vec::new();
    for (k, s) in order {
        let why = |e: String| format!("landing {k} ({}, as of {}): {e}", s.id, s.n);
        if s.n >= k {
            return Err(why("it began after it landed".into()));
        }
        let (after, answers) = replay(&states[s.n as usize], s).map_err(why)?;
        report.answers += answers;
        report.moved += usize::from(s.n + 1 < k);
        let before = &states[s.n as usize];
        let mut changed = changes(before, &after);
        for (j, other) in landed.iter().enumerate().skip(s.n as usize) {
            first_committer_wins(before, &changed, &other.changes)
                .map_err(|e| why(format!("{e}, which landing {} took", j + 1)))?;
        }
        let base = &states[k as usize - 1];
        // A directory that both made is the other's, and nothing was done to it.
        changed.retain(|p, new| {
            before.contains_key(p) || !is_dir(new.as_ref()) || !is_dir(base.get(p))
        });
        let next = land(base, &changed).map_err(why)?;
        states.push(next);
        landed.push(Landed { session: s, changes: changed, named: named(s) });
    }
    report.landed = landed.len();
    let now = states.last().ok_or("no state")?;
    if now != last {
        let wrong = changes(now, last);
        return Err(format!("the base is not the effect of its landings: {wrong:#?}"));
    }
    for s in sessions {
        let why = |e: String| format!("{} (as of {}): {e}", s.id, s.n);
        let before = states.get(s.n as usize).ok_or_else(|| why("no such landing".into()))?;
        match &s.end {
            End::Landed(_) => {}
            End::Unchanged => {
                report.unchanged += 1;
                let (after, answers) = replay(before, s).map_err(why)?;
                report.answers += answers;
                if after != *before {
                    return Err(why(format!("it changed {:?}", changes(before, &after))));
                }
            }
            End::RolledBack => {
                report.rolled_back += 1;
                report.answers += replay(before, s).map_err(why)?.1;
            }
            End::Conflict(paths) => {
                report.conflicts += 1;
                report.answers += replay(before, s).map_err(why)?.1;
                justified(s, paths, &landed).map_err(why)?;
            }
            End::Failed(e) => return Err(why(format!("it failed: {e}"))),
        }
    }
    for c in copies {
        let state = states.get(c.n as usize).ok_or("a copy of no landing")?;
        if *state != c.tree {
            let wrong = changes(state, &c.tree);
            return Err(format!("a session as of landing {} showed {wrong:#?}", c.n));
        }
    }
    Ok(report)
}

/// Runs a program on the base as of its begin: every answer must be the one that it got.
fn replay(before: &Tree, s: &Session) -> Result<(Tree, usize), String> {
    let mut tree = before.clone();
    for (op, got) in &s.ops {
        let expected = apply(&mut tree, op);
        if *got != expected {
            return Err(format!("{op:?} answered {got:?}, not {expected:?}"));
        }
    }
    Ok((tree, s.ops.len()))
}

fn is_dir(node: Option<&Node>) -> bool {
    matches!(node, Some(Node::Dir { .. }))
}

/// No path of one may have been taken by a landing in between, nor a directory above it.
fn first_committer_wins(before: &Tree, ours: &Changes, theirs: &Changes) -> Result<(), String> {
    for (path, new) in ours {
        if let Some(other) = theirs.get(path) {
            let both_made = !before.contains_key(path) && is_dir(new.as_ref());
            if !(both_made && is_dir(other.as_ref())) {
                return Err(format!("it changed {path}"));
            }
        }
        let mut up = parent(path);
        while !up.is_empty() {
            let replaced = theirs.get(up).is_some_and(|n| !is_dir(n.as_ref()));
            if replaced && !ours.contains_key(up) {
                return Err(format!("it changed {path} below {up}"));
            }
            up = parent(up);
        }
    }
    Ok(())
}

fn land(base: &Tree, changed: &Changes) -> Result<Tree, String> {
    let mut next = base.clone();
    for (path, new) in changed {
        match new {
            Some(node) => next.insert(path.clone(), node.clone()),
            None => next.remove(path),
        };
    }
    for path in next.keys() {
        let up = parent(path);
        if !up.is_empty() && !is_dir(next.get(up)) {
            return Err(format!("{path} is left without its directory"));
        }
    }
    Ok(next)
}

fn named(s: &Session) -> BTreeSet<String> {
    use crate::model::Op::*;
    let mut out = BTreeSet::new();
    for (op, _) in &s.ops {
        match op {
            Read { .. } | Stat { .. } | List { .. } => {}
            Write { path, .. }
            | Append { path, .. }
            | Mkdir { path }
            | Rmdir { path }
            | Unlink { path }
            | Chmod { path, .. } => {
                out.insert(path.clone());
            }
            Rename { from, to } => {
                out.insert(from.clone());
                out.insert(to.clone());
            }
        }
    }
    out
}

/// A refusal names what really landed since the session began.
fn justified(
    s: &Session,
    paths: &[(String, Option<u64>, String)],
    landed: &[Landed<'_>],
) -> Result<(), String> {
    if paths.is_empty() {
        return Err("a conflict without a path".into());
    }
    for (path, number, other) in paths {
        let Some(j) = number else {
            return Err(format!("{path}: nobody else changed anything, and yet {other}"));
        };
        let by = landed
            .get((*j as usize).wrapping_sub(1))
            .ok_or_else(|| format!("{path}: there is no landing {j}"))?;
        if *j <= s.n {
            return Err(format!("{path}: landing {j} was before it began"));
        }
        let related = |p: &String| {
            p == path || p.starts_with(&format!("{path}/")) || path.starts_with(&format!("{p}/"))
        };
        if !by.changes.contains_key(path) && !by.named.iter().any(related) {
            return Err(format!("{path}: {} did nothing to it", by.session.id));
        }
    }
    Ok(())
}
