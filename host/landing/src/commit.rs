//! Landing a session in its base: plan, stage, lock, validate, preflight, seal, apply, finish.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use brio_session::{Change, ChangeSet, FsError, RelPath, Time, View, is_stop};

use crate::apply::{Failed, Work};
use crate::errors::Doing;
use crate::facts::Facts;
use crate::finish::{discard, empty_trash, finish};
use crate::history::{self, History};
use crate::intent::{Intent, Step};
use crate::lease::{Ask, Lease};
use crate::lock::Lock;
use crate::look::Look;
use crate::meta::Meta;
use crate::plan::{Input, NoPlan, plan};
use crate::seq::{Phase, Value};
use crate::stage::{Staged, stage};
use crate::state::State;
use crate::{
    CommitError, CommitOptions, HostError, JournalEntry, Kept, Landed, SessionId, Warning, gc,
    layers, meta, nesting, preflight, recover,
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
        let _lease = Lease::take(state, parent, "commit of a child", Ask::Refuse, false)?;
        return nesting::land(state, parent, id, options, None);
    }
    let ask = if options.stop { Ask::Stop } else { Ask::Refuse };
    let _lease = Lease::take(state, id, "commit", ask, false)?;
    let mut m = meta::load_open(state, id)?;
    admit(state, &m, options)?;
    let landed = land(state, &m, options);
    if let Err(CommitError::Conflict { conflicts, .. }) = &landed {
        m.conflicted = true;
        let _ = meta::store(state, id, &m, false);
        let mut e = entry(state, "conflict", &m, options);
        e.detail = Some(
            serde_json::json!({ "paths": conflicts.iter().map(|c| c.path.to_string()).collect::<Vec<_>>() }),
        );
        state.note(&e);
    }
    landed
}

/// Whether a session may be committed at all.
pub(crate) fn admit(state: &State, m: &Meta, options: &CommitOptions) -> Result<(), CommitError> {
    let session = m.id.clone();
    if m.adopted {
        return Err(CommitError::Adopted { session });
    }
    let children = meta::children(state, &m.id)?;
    if !children.is_empty() {
        return Err(CommitError::OpenChildren { session, children });
    }
    if m.unclean(&state.options.boot_id) && !options.accept_unclean {
        return Err(CommitError::Unclean { session });
    }
    Ok(())
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

struct Commit<'a> {
    state: &'a State,
    meta: &'a Meta,
    options: &'a CommitOptions,
    view: View,
    set: ChangeSet,
    times: BTreeMap<RelPath, (Time, Time)>,
}

fn land(state: &Arc<State>, m: &Meta, options: &CommitOptions) -> Result<Landed, CommitError> {
    let fail = |source| match source {
        FsError::SnapshotGone => CommitError::SnapshotGone { session: m.id.clone() },
        source => CommitError::View { path: m.subdir.clone(), source },
    };
    let view = layers::view(state, m, layers::read_only(state)).map_err(fail)?;
    let set = view.changes().map_err(fail)?;
    let mut times = BTreeMap::new();
    for c in set.changes.iter().filter(|c| c.after.is_some()) {
        if let Some(t) = view.explicit_times(&c.path).map_err(fail)? {
            times.insert(m.subdir.join_path(&c.path), t);
        }
    }
    let set = rebased(set, &m.subdir);
    let c = Commit { state, meta: m, options, view, set, times };
    c.run()
}

impl Commit<'_> {
    fn run(self) -> Result<Landed, CommitError> {
        let (state, id) = (self.state, &self.meta.id);
        for _ in 0..ATTEMPTS {
            if recover::pending(state).doing("the landing sequence")? {
                recover::now(state).map_err(Box::new)?;
            }
            let steps = self.plan()?;
            if steps.is_empty() {
                return self.unchanged();
            }
            let by_path: HashMap<RelPath, &Change> =
                self.set.changes.iter().map(|c| (c.path.clone(), c)).collect();
            let staged =
                stage(state, &self.view, &self.meta.subdir, &by_path, self.intent(steps.clone()))?;
            let checked = self.locked(&steps, &staged);
            match checked {
                Ok(Some(lock)) => return self.seal(lock, staged),
                Ok(None) => self.drop_staged(&staged),
                Err(e) => {
                    self.drop_staged(&staged);
                    return Err(e);
                }
            }
        }
        let e = io::Error::other("other landings kept getting in between");
        Err(HostError::new(format!("commit of {id}"), e).into())
    }

    fn plan(&self) -> Result<Vec<Step>, CommitError> {
        let history = History::load(self.state, self.meta.landing).map_err(Box::new)?;
        let facts =
            Facts::gather(self.state, &self.set).map_err(|(p, e)| preflight::mounted(&p, e))?;
        let above = self
            .meta
            .subdir
            .ancestors()
            .chain([self.meta.subdir.clone()])
            .zip(self.meta.dirs.iter().copied());
        let input = Input {
            set: &self.set,
            times: &self.times,
            facts: &facts,
            history: &history,
            t0: self.meta.t0,
            above: above.collect(),
        };
        plan(&input).map_err(|no: NoPlan| preflight::refusal(&self.meta.id, no))
    }

    fn intent(&self, steps: Vec<Step>) -> Intent {
        Intent {
            session: self.meta.id.clone(),
            goal: self.meta.metadata.goal.clone(),
            agent: self.meta.metadata.agent.clone(),
            message: self.options.message.clone(),
            uid: rustix::process::geteuid().as_raw(),
            time: self.state.now(),
            steps,
        }
    }

    /// Takes the lock and validates everything again. `None`: the plan is another one now.
    fn locked(&self, planned: &[Step], staged: &Staged) -> Result<Option<Lock>, CommitError> {
        let lock = self.state.exclusive()?;
        recover::settle(self.state, &lock).map_err(Box::new)?;
        let damaged = recover::damage(self.state).doing("landings")?;
        if !damaged.is_empty() {
            return Err(CommitError::Damaged { paths_: damaged });
        }
        if self.plan()? != planned {
            return Ok(None);
        }
        preflight::check(self.state, &self.meta.id, &staged.intent.steps)?;
        Ok(Some(lock))
    }

    fn drop_staged(&self, staged: &Staged) {
        if let Err(e) = self.state.disk.remove_tree(&self.state.staging, &staged.name) {
            tracing::warn!("staging was not removed: {e}");
        }
    }

    /// The commit point, and what follows from it.
    fn seal(self, lock: Lock, staged: Staged) -> Result<Landed, CommitError> {
        let state = self.state;
        let k = self.next().doing("landings")?;
        let name = history::name(k);
        // Sealed is what `landings/<k>` shows, durably.
        let sealed = state
            .disk
            .rename_noreplace(&state.staging, &staged.name, &state.landings, &name)
            .and_then(|()| state.disk.sync_dir(&state.landings))
            .and_then(|()| state.disk.write_seq(&state.seq.file, Value::new(k, Phase::Sealed).0));
        let mut work = Work::new(state, k, &staged.dir, &staged.intent.steps);
        work.session = Some(self.meta.id.clone());
        let applied = match sealed {
            Ok(()) => work.apply().and_then(|()| {
                let synced = state.disk.sync_fs(&staged.sync);
                synced.map_err(|source| {
                    Box::new(Failed { path: self.meta.subdir.clone(), source, conflict: None })
                })
            }),
            // It may have been renamed all the same.
            Err(source) => match Look::at(&state.landings, &name) {
                Ok(None) => {
                    self.drop_staged(&staged);
                    return Err(HostError::new("sealing", source).into());
                }
                _ => {
                    Err(Box::new(Failed { path: self.meta.subdir.clone(), source, conflict: None }))
                }
            },
        };
        if let Err(failed) = applied {
            return Err(self.abort(work, *failed));
        }
        let mut warnings = Vec::new();
        let mut e = entry(state, "landed", self.meta, self.options);
        e.landing = Some(k);
        e.detail = Some(
            serde_json::json!({ "message": self.options.message, "steps": staged.intent.steps.len() }),
        );
        match finish(state, &staged.intent, &mut work, Some(&e)) {
            Ok(late) => {
                for Kept { path, at, .. } in late {
                    let mut e = entry(state, "late-edit", self.meta, self.options);
                    e.landing = Some(k);
                    e.detail = Some(
                        serde_json::json!({ "path": path.to_string(), "kept": at.to_string() }),
                    );
                    state.note(&e);
                    warnings
                        .push(Warning::LateEdit { path, kept: state.root_path.join(at.to_path()) });
                }
            }
            Err(e) => warnings.push(Warning::FinishPending { reason: e.to_string() }),
        }
        warnings.extend(
            self.set
                .changes
                .iter()
                .filter(|c| executes(c))
                .map(|c| Warning::Executes { path: c.path.clone() }),
        );
        if let Err(e) = gc::collect(state, &lock) {
            tracing::warn!("gc: {e}");
        }
        drop(lock);
        if let Err(e) = empty_trash(state) {
            tracing::warn!("trash was not emptied: {e}");
        }
        Ok(Landed { landing: Some(k), changes: self.set, warnings, parent: None })
    }

    /// The next number: after the sequence and after all that lies there.
    fn next(&self) -> io::Result<u64> {
        let newest = history::numbers(self.state)?.last().copied().unwrap_or(0);
        Ok(self.state.seq.get()?.landing().max(newest) + 1)
    }

    /// Undoes a sealed landing.
    fn abort(&self, mut work: Work<'_>, failed: Failed) -> CommitError {
        let state = self.state;
        let landing = work.number;
        if is_stop(&failed.source) {
            return CommitError::Interrupted { landing, source: failed.source };
        }
        let undone = recover::mark_aborting(state, work.dir)
            .and_then(|()| {
                state.disk.write_seq(&state.seq.file, Value::new(landing, Phase::Aborting).0)
            })
            .and_then(|()| recover::undo(state, &mut work));
        match undone {
            Err(source) => CommitError::Interrupted { landing, source },
            Ok(Err(paths_)) => CommitError::Damaged { paths_ },
            Ok(Ok(())) => match failed.conflict {
                Some(c) => {
                    CommitError::Conflict { session: self.meta.id.clone(), conflicts: vec![c] }
                }
                None => CommitError::Failed { path: failed.path, source: failed.source },
            },
        }
    }

    /// Nothing to land: the session ends.
    fn unchanged(self) -> Result<Landed, CommitError> {
        let lock = self.state.exclusive()?;
        self.state
            .write_journal(&entry(self.state, "unchanged", self.meta, self.options))
            .doing("the journal")?;
        discard(self.state, &self.meta.id).doing(&self.meta.id)?;
        if let Err(e) = gc::collect(self.state, &lock) {
            tracing::warn!("gc: {e}");
        }
        drop(lock);
        if let Err(e) = empty_trash(self.state) {
            tracing::warn!("trash was not emptied: {e}");
        }
        Ok(Landed { landing: None, changes: self.set, warnings: Vec::new(), parent: None })
    }
}

/// Whether tools run what is at a path without being asked to.
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
