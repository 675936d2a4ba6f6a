//! Landing a session in its base: plan and stage; then `batch` seals and applies it, with others.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use brio_project::NoteChange;
use brio_session::{Change, ChangeKind, ChangeSet, FsError, Lower, ReadSet, RelPath, Time, View};

use crate::batch::{Job, Outcome};
use crate::errors::Doing;
use crate::facts::Facts;
use crate::finish::{discard, empty_trash};
use crate::history::History;
use crate::intent::{Intent, Step};
use crate::lease::{Ask, Hold, Lease};
use crate::lock::Lock;
use crate::meta::Meta;
use crate::plan::{Input, NoPlan, plan};
use crate::policy::Settled;
use crate::reads::Reads;
use crate::stage::{Staged, stage};
use crate::state::State;
use crate::{
    CommitError, CommitOptions, Conflict, HostError, JournalEntry, Landed, Policy, SessionId,
    Warning, gc, heads, isolation, layers, lower, meta, nesting, notes, policy, preflight, recover,
    resolve, undo,
};

/// How often a plan is made anew because other landings got in between.
const ATTEMPTS: usize = 16;

/// See [`Domain::commit`](crate::Domain::commit).
pub(crate) fn commit(
    state: &Arc<State>,
    id: &SessionId,
    options: &CommitOptions,
) -> Result<Landed, CommitError> {
    let first = meta::load_open(state, id)?;
    if let Some(parent) = &first.parent {
        let _lease = Lease::take(state, parent, Ask::Refuse, Hold::Brief("commit of a child"))?;
        return nesting::land(state, parent, id, options, None);
    }
    if state.options.heads.is_some()
        && let Some(heads) = heads::of(state, &first)?
    {
        return heads::land(state, &*heads, &first, options);
    }
    let _lease = Lease::take(state, id, Ask::stop_if(options.stop), Hold::Brief("commit"))?;
    let mut m = meta::load_open(state, id)?;
    admit(state, &m, options)?;
    let mut landed = land(state, &m, options);
    if let Err(CommitError::Conflict { conflicts, .. }) = &mut landed {
        if options.policy == Policy::Reject {
            policy::report(state, &m, conflicts);
        }
        note_conflict(state, &mut m, conflicts, options);
    }
    landed.inspect_err(|e| note_broken(state, &m, options, e))
}

/// Remembers that a session conflicts.
pub(crate) fn note_conflict(
    state: &State,
    m: &mut Meta,
    conflicts: &[Conflict],
    options: &CommitOptions,
) {
    m.conflicted = true;
    let _ = meta::store(state, &m.id, m, false);
    let mut e = entry(state, "conflict", m, options);
    let paths: Vec<_> = conflicts.iter().map(|c| c.path.to_string()).collect();
    e.detail = Some(serde_json::json!({ "paths": paths }));
    state.note(&e);
}

/// Tells the journal of a seal that did not hold.
pub(crate) fn note_broken(state: &State, m: &Meta, options: &CommitOptions, e: &CommitError) {
    if let (CommitError::SealBroken { moved, .. }, Some(seal)) = (e, &options.sealed) {
        let mut e = entry(state, "seal-broken", m, options);
        e.detail = Some(serde_json::json!({ "seal": seal, "moved": moved.to_string() }));
        state.note(&e);
    }
}

/// Whether a session may be committed at all.
pub(crate) fn admit(
    state: &Arc<State>,
    m: &Meta,
    options: &CommitOptions,
) -> Result<(), CommitError> {
    let session = m.id.clone();
    if m.adopted {
        return Err(CommitError::Adopted { session });
    }
    layers::check_store(state, m)?;
    isolation::admit(m, options)?;
    let children = meta::children(state, &m.id)?;
    if !children.is_empty() {
        return Err(CommitError::OpenChildren { session, children });
    }
    if m.unclean(&state.options.boot_id) && !options.accept_unclean {
        return Err(CommitError::Unclean { session });
    }
    let marked = resolve::unresolved(state, m)?;
    if !marked.is_empty() {
        return Err(CommitError::Unresolved { session, marked });
    }
    Ok(())
}

/// Whether a session on the base lands there, and not where a store has the project's head.
pub(crate) fn lands_here(m: &Meta) -> Result<(), CommitError> {
    match m.lower.tree().filter(|_| m.parent.is_none()) {
        Some(tree) => {
            Err(CommitError::LandsOnHead { session: m.id.clone(), project: tree.project.clone() })
        }
        None => Ok(()),
    }
}

pub(crate) fn entry(state: &State, what: &str, m: &Meta, options: &CommitOptions) -> JournalEntry {
    let mut e = state.entry(what, Some(&m.id));
    let d = m.metadata.clone();
    (e.goal, e.agent, e.task_id) = (d.goal, d.agent, d.task_id);
    e.detail = options.message.as_ref().map(|m| serde_json::json!({ "message": m }));
    e
}

/// A change set of a directory, as one of the domain's root.
pub(crate) fn rebased(set: ChangeSet, subdir: &RelPath) -> ChangeSet {
    if subdir.is_root() {
        return set;
    }
    let up = |p: &RelPath| subdir.join_path(p);
    ChangeSet {
        changes: set
            .changes
            .into_iter()
            .map(|c| Change {
                path: up(&c.path),
                hard_link_of: c.hard_link_of.as_ref().map(up),
                ..c
            })
            .collect(),
        observed: set.observed.into_iter().map(|(p, o)| (up(&p), o)).collect(),
    }
}

/// A change set in which what lies in a directory that the session made is the session's alone:
/// where the base got a directory of the same name from outside, a view compares with that.
pub(crate) fn as_first_seen(set: ChangeSet) -> ChangeSet {
    let ChangeSet { changes, observed } = set;
    let unseen = |c: &Change| {
        c.before.is_some()
            && !observed.contains_key(&c.path)
            && c.path
                .ancestors()
                .any(|up| observed.get(&up).is_some_and(|o| o.fingerprint.is_none()))
    };
    let first_seen = |c: Change| match (unseen(&c), c.after) {
        (false, _) => Some(c),
        (true, None) => None,
        (true, Some(_)) => Some(Change { kind: ChangeKind::Added, before: None, ..c }),
    };
    ChangeSet { changes: changes.into_iter().filter_map(first_seen).collect(), observed }
}

/// A commit that is being tried.
pub(crate) struct Commit {
    pub(crate) state: Arc<State>,
    pub(crate) meta: Meta,
    pub(crate) options: CommitOptions,
    /// What a policy did about conflicts before.
    pub(crate) settled: Option<Settled>,
    pub(crate) view: View,
    pub(crate) set: ChangeSet,
    times: BTreeMap<RelPath, (Time, Time)>,
    /// What was read, and the base as it is now, where that is validated.
    pub(crate) reads: Option<(ReadSet, Arc<dyn Lower>)>,
    /// Notes that it changes.
    pub(crate) notes: Vec<NoteChange>,
}

pub(crate) fn land(
    state: &Arc<State>,
    m: &Meta,
    options: &CommitOptions,
) -> Result<Landed, CommitError> {
    if state.frozen_only().is_some() || m.lower.tree().is_some() {
        return prepare(state, m, options, None)?.end_unchanged();
    }
    match prepare(state, m, options, None)?.run() {
        Err(e) if options.sealed.is_some() => Err(Commit::would_settle(m, options, e)),
        Err(CommitError::Conflict { .. }) if options.policy != Policy::Reject => {
            policy::land(state, m, options)
        }
        landed => landed,
    }
}

/// Finds out what a session changed.
pub(crate) fn prepare(
    state: &Arc<State>,
    m: &Meta,
    options: &CommitOptions,
    settled: Option<Settled>,
) -> Result<Arc<Commit>, CommitError> {
    let fail = |source| match source {
        FsError::SnapshotGone => CommitError::SnapshotGone { session: m.id.clone() },
        source => CommitError::View { path: m.subdir.clone(), source },
    };
    let view = layers::view(state, m, layers::read_only(state)).map_err(fail)?;
    let set = as_first_seen(view.changes().map_err(fail)?);
    let mut times = BTreeMap::new();
    for c in set.changes.iter().filter(|c| c.after.is_some()) {
        if let Some(t) = view.explicit_times(&c.path).map_err(fail)? {
            times.insert(m.subdir.join_path(&c.path), t);
        }
    }
    let set = rebased(set, &m.subdir);
    // What stands on a tree is validated where it lands.
    let reads = match isolation::wanted(m, options) && m.lower.tree().is_none() {
        true => {
            // A stack that a policy made holds no reads: those of the session itself count.
            let original = settled.is_some().then(|| meta::load(state, &m.id)).transpose()?;
            let set = match &original {
                Some(m) => {
                    let view = layers::view(state, m, layers::read_only(state)).map_err(fail)?;
                    isolation::reads(state, m, &view)?
                }
                None => isolation::reads(state, m, &view)?,
            };
            Some((set, lower::now(state, m).map_err(fail)?))
        }
        false => None,
    };
    // Those of a stack that a policy made for one commit are the session's.
    let notes = match settled.is_some() {
        true => notes::changes(state, &meta::load(state, &m.id)?)?,
        false => notes::changes(state, m)?,
    };
    let (state, meta, options) = (state.clone(), m.clone(), options.clone());
    Ok(Arc::new(Commit { state, meta, options, settled, view, set, times, reads, notes }))
}

impl Commit {
    pub(crate) fn run(self: Arc<Self>) -> Result<Landed, CommitError> {
        let (state, id) = (&self.state, &self.meta.id);
        let mut failed = None;
        for _ in 0..ATTEMPTS {
            let before = state.seq.get().doing("the landing sequence")?;
            if before.quiet() {
                self.on_its_landing()?;
            }
            let planned = match self.plan() {
                Ok(steps) if !self.is_nothing(&steps) => steps,
                // Somebody may be landing, or have died at it: what ends a commit is found out
                // when the base stands still.
                _ => {
                    let lock = state.exclusive()?;
                    recover::settle(state, &lock).map_err(Box::new)?;
                    self.on_its_landing()?;
                    let steps = self.plan()?;
                    if self.is_nothing(&steps) {
                        self.as_sealed(&[])?;
                        return self.unchanged(lock);
                    }
                    steps
                }
            };
            let job = match self.stage(planned) {
                Ok(job) => job,
                // Staging reads a base that another landing may have been changing.
                Err(e) => {
                    let now = state.seq.get().doing("the landing sequence")?;
                    if state.disk.0.stopped() || (before.quiet() && before == now) {
                        return Err(e);
                    }
                    failed = Some(e);
                    recover::now(state).map_err(Box::new)?;
                    continue;
                }
            };
            match state.queue.land(state, job) {
                Outcome::Over(result) => return result,
                Outcome::Replan => failed = None,
            }
        }
        if let Some(e) = failed {
            return Err(e);
        }
        let e = io::Error::other("other landings kept getting in between");
        Err(HostError::new(format!("commit of {id}"), e).into())
    }

    /// Makes what the plan brings, durably, beside the base.
    pub(crate) fn stage(self: &Arc<Self>, planned: Vec<Step>) -> Result<Job, CommitError> {
        let by_path: HashMap<RelPath, &Change> =
            self.set.changes.iter().map(|c| (c.path.clone(), c)).collect();
        let intent = self.intent(planned.clone());
        let what = (&self.view, &self.meta.subdir, &by_path);
        let staged = stage(&self.state, what, &self.notes, intent)?;
        if let Err(e) = self.as_sealed(&staged.intent.steps) {
            self.drop_staged(&staged);
            return Err(e);
        }
        Ok(Job { commit: self.clone(), planned, staged })
    }

    /// From the change set to steps, or conflicts, as the base is now.
    pub(crate) fn plan(&self) -> Result<Vec<Step>, CommitError> {
        let mut history = History::load(&self.state, self.meta.landing).map_err(Box::new)?;
        // What was rebased saw the base as it is.
        let set = match self.meta.undo_of.filter(|_| self.settled.is_none()) {
            Some(k) => Cow::Owned(undo::observed(&self.state, k, &mut history, &self.set)?),
            None => Cow::Borrowed(&self.set),
        };
        let mounted = |(p, e): (RelPath, io::Error)| preflight::mounted(&p, e);
        let mut facts = Facts::gather(&self.state, &set).map_err(mounted)?;
        if let Some((reads, now)) = &self.reads {
            let fail = |source| CommitError::View { path: self.meta.subdir.clone(), source };
            facts.gather_reads(&**now, reads).map_err(fail)?;
        }
        let excluded = |path: &RelPath, dir: bool| {
            self.reads.as_ref().is_some_and(|(_, now)| now.excluded(path, dir))
        };
        let above = self
            .meta
            .subdir
            .ancestors()
            .chain([self.meta.subdir.clone()])
            .zip(self.meta.dirs.iter().copied());
        let input = Input {
            set: &set,
            times: &self.times,
            facts: &facts,
            history: &history,
            t0: self.meta.t0,
            above: above.collect(),
            reads: self.reads.as_ref().map(|(set, _)| Reads {
                set,
                subdir: &self.meta.subdir,
                excluded: &excluded,
            }),
        };
        plan(&input).map_err(|no: NoPlan| preflight::refusal(&self.meta.id, no))
    }

    /// Whether a landing of these would change nothing.
    fn is_nothing<T>(&self, steps: &[T]) -> bool {
        steps.is_empty() && self.notes.is_empty()
    }

    fn intent(&self, steps: Vec<Step>) -> Intent {
        Intent {
            session: self.meta.id.clone(),
            goal: self.meta.metadata.goal.clone(),
            agent: self.meta.metadata.agent.clone(),
            task_id: self.meta.metadata.task_id.clone(),
            message: self.options.message.clone(),
            undo_of: self.meta.undo_of,
            uid: rustix::process::geteuid().as_raw(),
            time: self.state.now(),
            steps,
            notes: self.notes.iter().map(|change| change.path.to_string()).collect(),
        }
    }

    pub(crate) fn drop_staged(&self, staged: &Staged) {
        if let Err(e) = self.state.disk.remove_tree(&self.state.staging, &staged.name) {
            tracing::warn!("staging was not removed: {e}");
        }
    }

    /// Where nothing can land: a session that changed nothing ends, another is refused.
    fn end_unchanged(&self) -> Result<Landed, CommitError> {
        if !self.is_nothing(&self.set.changes) {
            lands_here(&self.meta)?;
            self.state.may_land_session(&self.meta.id)?;
        }
        let lock = self.state.exclusive()?;
        recover::settle(&self.state, &lock).map_err(Box::new)?;
        self.on_its_landing()?;
        self.as_sealed(&[])?;
        self.unchanged(lock)
    }

    /// Nothing to land: the session ends.
    fn unchanged(&self, lock: Lock) -> Result<Landed, CommitError> {
        let state = &self.state;
        state
            .write_journal(&entry(state, "unchanged", &self.meta, &self.options))
            .doing("the journal")?;
        discard(state, &self.meta.id).doing(&self.meta.id)?;
        if let Err(e) = gc::collect(state, &lock) {
            tracing::warn!("gc: {e}");
        }
        drop(lock);
        if let Err(e) = empty_trash(state) {
            tracing::warn!("trash was not emptied: {e}");
        }
        let changes = self.set.clone();
        Ok(Landed {
            landing: None,
            changes,
            notes: Vec::new(),
            warnings: Vec::new(),
            parent: None,
            head: None,
            children: Vec::new(),
        })
    }
}

/// Warns of what tools run without being asked to.
pub(crate) fn executed(set: &ChangeSet) -> impl Iterator<Item = Warning> {
    let changes = set.changes.iter().filter(|c| executes(c));
    changes.map(|c| Warning::Executes { path: c.path.clone() })
}

fn executes(c: &Change) -> bool {
    if c.after.is_none() {
        return false;
    }
    let p = c.path.as_bytes();
    let name = p.rsplit(|b| *b == b'/').next().unwrap_or(p);
    let within = |dir: &[u8]| {
        p.starts_with(dir) || p.windows(dir.len() + 1).any(|w| w[0] == b'/' && &w[1..] == dir)
    };
    matches!(
        name,
        b".envrc"
            | b"brio.toml"
            | b".gitlab-ci.yml"
            | b"Jenkinsfile"
            | b".pre-commit-config.yaml"
            | b".gitmodules"
    ) || within(b".git/hooks/")
        || within(b".github/workflows/")
        || within(b".husky/")
        || within(b".circleci/")
        || p.ends_with(b".vscode/tasks.json")
        || p.ends_with(b".git/config")
}
