//! From a change set to steps, or to conflicts. Pure: it is run once before staging and again
//! under the lock, and the two must agree.

use std::collections::{BTreeMap, BTreeSet};

use brio_session::{
    Change, ChangeKind, ChangeSet, Fingerprint, Kind, Meta, Observed, RelPath, Time,
};

use crate::conflict::{Side, Sides};
use crate::facts::Facts;
use crate::history::History;
use crate::intent::{Act, New, Step};
use crate::reads::Reads;
use crate::{Conflict, RefusedWhy, Theirs, What};

/// What a plan is made from.
pub(crate) struct Input<'a> {
    /// With paths relative to the domain's root.
    pub(crate) set: &'a ChangeSet,
    pub(crate) times: &'a BTreeMap<RelPath, (Time, Time)>,
    pub(crate) facts: &'a Facts,
    /// Landings since the session began.
    pub(crate) history: &'a History,
    pub(crate) t0: Time,
    /// Inodes of the directories down to the one that was branched.
    pub(crate) above: BTreeMap<RelPath, u64>,
    /// What the session read, where that is validated too.
    pub(crate) reads: Option<Reads<'a>>,
}

/// Why there is no plan.
#[derive(Debug)]
pub(crate) enum NoPlan {
    Conflicts(Vec<Conflict>),
    Refused(RelPath, RefusedWhy),
    /// What was read is not known, so nobody can say that it was not changed from outside.
    ReadsUnknown,
}

/// Steps in the order in which they are applied.
pub(crate) fn plan(input: &Input<'_>) -> Result<Vec<Step>, NoPlan> {
    let mut p = Planner {
        input,
        ours: input.set.changes.iter().map(|c| (&c.path, c)).collect(),
        conflicts: BTreeMap::new(),
        seen: BTreeSet::new(),
        slots: 0,
        out: [Vec::new(), Vec::new(), Vec::new()],
    };
    for c in &input.set.changes {
        p.change(c)?;
    }
    // What changes nothing read a snapshot, and that is all there is to it.
    if let Some(reads) = input.reads.as_ref().filter(|_| !input.set.changes.is_empty()) {
        for c in reads.broken(input.facts, input.history, input.t0) {
            p.conflicts.entry(c.path.clone()).or_insert(c);
        }
        if reads.set.whole && p.conflicts.is_empty() {
            return Err(NoPlan::ReadsUnknown);
        }
    }
    if !p.conflicts.is_empty() {
        return Err(NoPlan::Conflicts(p.conflicts.into_values().collect()));
    }
    let [mut down, up, mut meta] = p.out;
    // Paths come in order, a directory before its entries; what goes, goes deepest first.
    down.reverse();
    meta.reverse();
    Ok(down.into_iter().chain(up).chain(meta).collect())
}

struct Planner<'a> {
    input: &'a Input<'a>,
    ours: BTreeMap<&'a RelPath, &'a Change>,
    conflicts: BTreeMap<RelPath, Conflict>,
    seen: BTreeSet<RelPath>,
    slots: u32,
    /// What goes; what comes; directory metadata.
    out: [Vec<Step>; 3],
}

impl Planner<'_> {
    fn change(&mut self, c: &Change) -> Result<(), NoPlan> {
        let now = self.input.facts.at(&c.path).copied();
        self.ancestors(&c.path);
        let dir_now = now.is_some_and(|f| f.kind == Kind::Dir);
        if c.kind == ChangeKind::Added && is_dir(c.after.as_ref()) && dir_now {
            return Ok(()); // made by both: no conflict, and nothing to do
        }
        let observed = self.input.set.observed.get(&c.path);
        if let Some((l, step)) = self.input.history.last(&c.path) {
            let theirs = Theirs::Landing {
                number: l.number,
                session: l.intent.session.clone(),
                goal: l.intent.goal.clone(),
                what: step.what(),
            };
            self.conflict(&c.path, Some(c.kind), theirs);
        } else if let Some(what) = self.drifted(observed, c.before.as_ref(), now.as_ref()) {
            self.conflict(&c.path, Some(c.kind), Theirs::Drift { what });
        }
        if is_dir(c.before.as_ref()) && !is_dir(c.after.as_ref()) {
            self.strangers(&c.path);
        }
        self.step(c, now)
    }

    /// What others put into a directory that goes.
    fn strangers(&mut self, dir: &RelPath) {
        let theirs: Vec<_> =
            self.input.history.below(dir).filter(|p| !self.ours.contains_key(p)).cloned().collect();
        for path in theirs {
            if let Some((l, step)) = self.input.history.last(&path)
                && self.input.facts.at(dir).is_some()
                && step.what() != What::Removed
            {
                let theirs = Theirs::Landing {
                    number: l.number,
                    session: l.intent.session.clone(),
                    goal: l.intent.goal.clone(),
                    what: step.what(),
                };
                self.conflict(&path, None, theirs);
            }
        }
        for name in self.input.facts.listings.get(dir).into_iter().flatten() {
            let path = dir.join(name);
            if !self.ours.contains_key(&path) && !self.conflicts.contains_key(&path) {
                self.conflict(&path, None, Theirs::Drift { what: What::Added });
            }
        }
    }

    /// Every ancestor must still be the directory it was. Its mode may change: nothing of ours
    /// depends on it but access, which the preflight checks.
    fn ancestors(&mut self, path: &RelPath) {
        for up in path.ancestors() {
            if !self.seen.insert(up.clone()) {
                continue;
            }
            if self.ours.get(&up).is_some_and(|c| c.kind != ChangeKind::MetaOnly) {
                continue;
            }
            let expected = self.input.above.get(&up).copied().or_else(|| {
                self.input.set.observed.get(&up).and_then(|o| o.fingerprint).map(|f| f.ino)
            });
            let what = match self.input.facts.at(&up) {
                None => What::Removed,
                Some(f) if f.kind != Kind::Dir || expected.is_some_and(|ino| ino != f.ino) => {
                    What::Replaced
                }
                Some(_) => continue,
            };
            let theirs = match self.input.history.last(&up) {
                Some((l, step)) => Theirs::Landing {
                    number: l.number,
                    session: l.intent.session.clone(),
                    goal: l.intent.goal.clone(),
                    what: step.what(),
                },
                None => Theirs::Drift { what },
            };
            self.conflict(&up, None, theirs);
        }
    }

    fn conflict(&mut self, path: &RelPath, ours: Option<ChangeKind>, theirs: Theirs) {
        let base = self.input.set.observed.get(path).and_then(|o| o.fingerprint);
        let sides = Sides {
            base: base.as_ref().map(Side::of),
            ours: self.ours.get(path).and_then(|c| c.after).map(|m| Side::of(&fingerprint(&m))),
            theirs: self.input.facts.at(path).map(Side::of),
        };
        let path = path.clone();
        self.conflicts.entry(path.clone()).or_insert(Conflict {
            path,
            ours,
            read: false,
            theirs,
            sides,
            unmerged: None,
        });
    }

    /// What happened to a path outside of any landing, if something did.
    fn drifted(
        &self,
        observed: Option<&Observed>,
        before: Option<&Meta>,
        now: Option<&Fingerprint>,
    ) -> Option<What> {
        let (t0, history) = (self.input.t0, self.input.history);
        let fresh =
            |f: &Fingerprint| f.kind != Kind::Dir && f.ctime >= t0 && !history.touched_by_us(f);
        let was = match observed {
            Some(o) => o.fingerprint,
            None => before.map(fingerprint),
        };
        match (was, now) {
            (None, None) => None,
            (None, Some(_)) => Some(What::Added),
            (Some(_), None) => Some(What::Removed),
            (Some(a), Some(b)) if a.kind != b.kind || (a.kind == Kind::Dir && a.ino != b.ino) => {
                Some(What::Replaced)
            }
            (Some(a), Some(b)) => {
                // A path that nobody looked at before is first touched now.
                let same = match observed {
                    Some(_) => a.same_as(b) || (a.same_content(b) && history.touched_by_us(b)),
                    None => a.same_content(b),
                };
                let since = if observed.is_some() { fresh(&a) } else { fresh(b) };
                (!same || since).then_some(What::Modified)
            }
        }
    }

    fn step(&mut self, c: &Change, now: Option<Fingerprint>) -> Result<(), NoPlan> {
        let times = self.input.times.get(&c.path).copied();
        let new = c.after.map(|m| New {
            kind: m.kind,
            ino: 0,
            mode: m.mode,
            size: m.size,
            mtime: m.mtime,
            times,
        });
        if new.is_some_and(|n| n.kind == Kind::Other) {
            return Err(NoPlan::Refused(c.path.clone(), RefusedWhy::Kind));
        }
        let old_sha256 = self.input.set.observed.get(&c.path).and_then(|o| o.sha256);
        let step = |act, old, new| Step {
            path: c.path.clone(),
            act,
            old,
            new,
            cloned: false,
            old_sha256,
            new_sha256: None,
        };
        match (now, new) {
            (None, None) => {}
            (None, Some(n)) => {
                let slot = self.slot();
                self.out[1].push(step(Act::Add { slot }, None, Some(n)));
                self.late_meta(c, n);
            }
            (Some(old), None) => {
                let slot = self.slot();
                self.out[0].push(step(Act::Remove { slot }, Some(old), None));
            }
            (Some(old), Some(n)) if old.kind == Kind::Dir && n.kind == Kind::Dir => {
                self.out[2].push(step(Act::DirMeta, Some(old), Some(n)));
            }
            (Some(old), Some(n)) => {
                let slot = self.slot();
                let goes = usize::from(old.kind != Kind::Dir);
                self.out[goes].push(step(Act::Replace { slot }, Some(old), Some(n)));
                self.late_meta(c, n);
            }
        }
        Ok(())
    }

    /// A new directory gets the bits that keep us from filling it, and its times, when it is full.
    fn late_meta(&mut self, c: &Change, n: New) {
        if n.kind == Kind::Dir && (n.mode & 0o700 != 0o700 || n.times.is_some()) {
            let path = c.path.clone();
            self.out[2].push(Step {
                path,
                act: Act::DirMeta,
                old: None,
                new: Some(n),
                cloned: false,
                old_sha256: None,
                new_sha256: None,
            });
        }
    }

    fn slot(&mut self) -> u32 {
        self.slots += 1;
        self.slots - 1
    }
}

fn is_dir(m: Option<&Meta>) -> bool {
    m.is_some_and(|m| m.kind == Kind::Dir)
}

fn fingerprint(m: &Meta) -> Fingerprint {
    Fingerprint {
        kind: m.kind,
        ino: m.ino,
        mode: m.mode,
        nlink: m.nlink,
        size: m.size,
        mtime: m.mtime,
        ctime: m.ctime,
    }
}
