//! Whether what a session read is still so. Pure, as `plan` is.
//!
//! A landing is judged by what it did, also while it lies sealed and not applied; what came from
//! outside by what lies there now. Where a fingerprint cannot tell (a file whose change time is
//! not before the session's begin when it was first read may change again unseen) it counts as
//! changed.

use std::collections::BTreeMap;

use brio_session::{Change, ChangeSet, Fingerprint, Kind, Read, ReadSet, RelPath, Time};

use crate::conflict::{Side, Sides};
use crate::facts::Facts;
use crate::history::{History, Landing};
use crate::intent::Step;
use crate::{Conflict, SessionId, Theirs, What};

/// What a session read, with paths of its directory.
pub(crate) struct Reads<'a> {
    pub(crate) set: &'a ReadSet,
    /// The directory that it branched.
    pub(crate) subdir: &'a RelPath,
    /// Whether it leaves out a path, which is a directory or not.
    pub(crate) excluded: &'a dyn Fn(&RelPath, bool) -> bool,
}

impl Reads<'_> {
    /// The reads that no longer hold, each as a conflict with a path of the domain. Of a whole
    /// tree: every landing in it. `history`: the landings since the session began.
    pub(crate) fn broken(&self, facts: &Facts, history: &History, t0: Time) -> Vec<Conflict> {
        let mut out = Vec::new();
        for (path, read) in &self.set.paths {
            let full = self.subdir.join_path(path);
            let now = facts.read.get(path).and_then(Option::as_ref);
            let mut add = |path: &RelPath, base, theirs| {
                out.push(conflict(path, base, now, theirs));
            };
            if let Some(theirs) = self.landed(path, &full, read, history) {
                add(&full, read.seen, theirs);
                continue;
            }
            let listed = self.listed(&full, read, history);
            if !listed.is_empty() {
                for (child, base, theirs) in listed {
                    add(child, base, theirs);
                }
                continue;
            }
            let listing = facts.digests.get(path);
            if let Some(what) = drifted(read, now, listing, history, t0) {
                add(&full, read.seen, Theirs::Drift { what });
            }
        }
        if self.set.whole {
            let inside =
                |s: &&Step| s.path.starts_with(self.subdir) || self.subdir.starts_with(&s.path);
            for l in &history.landings {
                if let Some(step) = l.intent.steps.iter().find(inside) {
                    out.push(conflict(&step.path, step.old, None, theirs(l, step)));
                }
            }
        }
        out
    }

    fn landed(
        &self,
        path: &RelPath,
        full: &RelPath,
        read: &Read,
        history: &History,
    ) -> Option<Theirs> {
        let (l, step) = history.last(full)?;
        (shows(read, step) && !(self.excluded)(path, is_dir(step))).then(|| theirs(l, step))
    }

    /// What landings did to the names in a directory that was listed.
    fn listed<'h>(
        &self,
        full: &RelPath,
        read: &Read,
        history: &'h History,
    ) -> Vec<(&'h RelPath, Option<Fingerprint>, Theirs)> {
        let children: &[RelPath] = match read.listing {
            Some(_) => history.children(full),
            None => &[],
        };
        let named = |child: &'h RelPath| {
            let (_, first) = history.first(child)?;
            let (l, last) = history.last(child)?;
            let excluded = || {
                let below = child.strip_prefix(self.subdir);
                below.is_some_and(|path| (self.excluded)(&path, is_dir(last)))
            };
            let other = first.old.map(|f| f.kind) != last.new.map(|n| n.kind);
            (other && !excluded()).then(|| (child, first.old, theirs(l, last)))
        };
        children.iter().filter_map(named).collect()
    }
}

/// What was done from outside to what was read, if something was.
fn drifted(
    read: &Read,
    now: Option<&Fingerprint>,
    listing: Option<&[u8; 32]>,
    history: &History,
    t0: Time,
) -> Option<What> {
    let moved_by_us = match (&read.seen, now) {
        (Some(was), Some(now)) => was.same_content(now) && history.touched_by_us(now),
        _ => false,
    };
    if !read.holds(now) && !moved_by_us {
        return Some(match (&read.seen, now) {
            (None, _) => What::Added,
            (_, None) => What::Removed,
            (Some(was), Some(now)) if was.kind != now.kind => What::Replaced,
            _ => What::Modified,
        });
    }
    if read.listing.is_some() && read.listing.as_ref() != listing {
        return Some(What::Modified);
    }
    let fresh = read.seen.is_some_and(|f| {
        (read.content || read.metadata)
            && f.kind != Kind::Dir
            && f.ctime >= t0
            && !history.touched_by_us(&f)
    });
    fresh.then_some(What::Modified)
}

/// `base`: what was read. The session did not change it.
fn conflict(
    path: &RelPath,
    base: Option<Fingerprint>,
    now: Option<&Fingerprint>,
    theirs: Theirs,
) -> Conflict {
    let read = base.as_ref().map(Side::of);
    let sides = Sides { base: read, ours: read, theirs: now.map(Side::of) };
    Conflict { path: path.clone(), ours: None, read: true, theirs, sides, unmerged: None }
}

fn is_dir(step: &Step) -> bool {
    let kind = step.new.map(|n| n.kind).or(step.old.map(|f| f.kind));
    kind == Some(Kind::Dir)
}

/// Whether what a step did shows in what was read of its path.
fn shows(read: &Read, step: &Step) -> bool {
    match (&read.seen, &step.new) {
        _ if read.content || read.metadata => true,
        (None, None) => false,
        (Some(was), Some(new)) => was.kind != new.kind || was.mode != new.mode,
        _ => true,
    }
}

fn theirs(l: &Landing, step: &Step) -> Theirs {
    Theirs::Landing {
        number: l.number,
        session: l.intent.session.clone(),
        goal: l.intent.goal.clone(),
        what: step.what(),
    }
}

/// For a child: what its parent changed since that it may have read.
pub(crate) struct Nested<'a> {
    /// What the child read of the base.
    pub(crate) reads: &'a ReadSet,
    /// What the parent had changed when the child began. What the child read of that is not
    /// known: it counts as read.
    pub(crate) inherited: &'a ChangeSet,
    /// What the parent changed since.
    pub(crate) theirs: &'a ChangeSet,
}

impl Nested<'_> {
    /// The reads that no longer hold, each as a conflict, with paths of the session's directory.
    pub(crate) fn broken(&self, parent: &SessionId) -> Vec<Conflict> {
        let inherited: BTreeMap<&RelPath, &Change> =
            self.inherited.changes.iter().map(|c| (&c.path, c)).collect();
        let mut out = Vec::new();
        for t in self.theirs.changes.iter().filter(|t| self.may_show(t, &inherited)) {
            let theirs = Theirs::Parent { session: parent.clone(), what: crate::nesting::what(t) };
            out.push(conflict(&t.path, None, None, theirs));
        }
        out
    }

    fn may_show(&self, t: &Change, inherited: &BTreeMap<&RelPath, &Change>) -> bool {
        let kinds = (t.before.map(|m| m.kind), t.after.map(|m| m.kind));
        let listed = || {
            let up = t.path.split().and_then(|(up, _)| self.reads.paths.get(&up));
            kinds.0 != kinds.1 && up.is_some_and(|up| up.listing.is_some())
        };
        let seen = || {
            self.reads.paths.get(&t.path).is_some_and(|read| {
                read.content
                    || read.metadata
                    || kinds.0 != kinds.1
                    || t.before.map(|m| m.mode) != t.after.map(|m| m.mode)
            })
        };
        let unknown = || {
            inherited.contains_key(&t.path)
                || t.path.ancestors().any(|up| {
                    inherited.get(&up).is_some_and(|c| c.kind != brio_session::ChangeKind::MetaOnly)
                })
        };
        self.reads.whole || seen() || listed() || unknown()
    }
}
