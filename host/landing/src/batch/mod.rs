//! Group commit: landings that are staged at the same time and touch nothing of each other are
//! validated, sealed, applied and made durable together, under one hold of the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use brio_session::{RelPath, is_stop};

use crate::apply::{Failed, Work};
use crate::commit::{Commit, entry, executed};
use crate::errors::Doing;
use crate::finish::{empty_trash, finish};
use crate::history;
use crate::intent::Step;
use crate::lock::Lock;
use crate::look::Look;
use crate::seq::{Phase, Value};
use crate::stage::Staged;
use crate::state::State;
use crate::{CommitError, HostError, Kept, Landed, Warning, gc, journal, preflight, recover};

type Jobs = Vec<(u64, Job)>;
type Outcomes = Vec<(u64, Outcome)>;

/// At most so many landings share a lock, so that nobody waits for ever.
const MOST: usize = 256;

/// A staged landing that waits for its turn.
pub(crate) struct Job {
    pub(crate) commit: Arc<Commit>,
    pub(crate) planned: Vec<Step>,
    pub(crate) staged: Staged,
}

/// What became of a job.
pub(crate) enum Outcome {
    Over(Result<Landed, CommitError>),
    /// The plan is another one now: stage again.
    Replan,
}

/// The landings of a domain that this process has staged. Whoever comes when nobody leads
/// leads: it lands everybody's.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    turn: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<(u64, Job)>,
    outcomes: BTreeMap<u64, Outcome>,
    led: bool,
    next: u64,
}

impl Queue {
    /// Lands a job, with those of others; returns when it is over.
    pub(crate) fn land(&self, state: &State, job: Job) -> Outcome {
        let mut waiting = self.lock();
        let id = waiting.next;
        waiting.next += 1;
        waiting.jobs.push((id, job));
        loop {
            if let Some(outcome) = waiting.outcomes.remove(&id) {
                return outcome;
            }
            if waiting.led {
                waiting = self.turn.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let most = waiting.jobs.len().min(MOST);
            let jobs: Vec<_> = waiting.jobs.drain(..most).collect();
            waiting.led = true;
            drop(waiting);
            let led = Led { queue: self, ids: jobs.iter().map(|(id, _)| *id).collect() };
            let (outcomes, later) = batch(state, jobs);
            led.done(outcomes, later);
            if let Err(e) = empty_trash(state) {
                tracing::warn!("trash was not emptied: {e}");
            }
            waiting = self.lock();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody leads. If that thread panics, those whose landings it had are told.
struct Led<'a> {
    queue: &'a Queue,
    ids: Vec<u64>,
}

impl Led<'_> {
    fn done(mut self, outcomes: Outcomes, later: Jobs) {
        let mut waiting = self.queue.lock();
        waiting.outcomes.extend(outcomes);
        waiting.jobs.splice(..0, later);
        self.ids.clear();
    }
}

impl Drop for Led<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        for id in self.ids.drain(..) {
            let e = io::Error::other("the thread that was landing it died; run `brio recover`");
            let e = HostError::new("a landing", e);
            waiting.outcomes.insert(id, Outcome::Over(Err(e.into())));
        }
        waiting.led = false;
        self.queue.turn.notify_all();
    }
}

/// Lands jobs. Returns what became of them, and those that have to wait for the next batch.
fn batch(state: &State, jobs: Jobs) -> (Outcomes, Jobs) {
    let lock = match ready(state) {
        Ok(lock) => lock,
        // It is everybody's error: the others meet it in their own turn.
        Err(e) => {
            let mut later = jobs.into_iter();
            let first = later.next().map(|(id, job)| {
                job.commit.drop_staged(&job.staged);
                (id, Outcome::Over(Err(e)))
            });
            return (first.into_iter().collect(), later.collect());
        }
    };
    let (mut outcomes, mut later, mut members) = (Vec::new(), Vec::new(), Vec::new());
    let mut paths = BTreeSet::new();
    for (id, job) in jobs {
        // What it read must not be what a member before it changes: it lands first, or later.
        let read = job.commit.reads.is_some() && !members.is_empty();
        // A member before it would be a landing that its gates did not see.
        let sealed = job.commit.options.sealed.is_some() && !members.is_empty();
        if read || sealed || !apart(&paths, &job.planned) {
            later.push((id, job));
            continue;
        }
        match valid(state, &job) {
            Ok(true) => {
                paths.extend(job.planned.iter().map(|s| s.path.clone()));
                members.push((id, job));
            }
            Ok(false) => {
                job.commit.drop_staged(&job.staged);
                outcomes.push((id, Outcome::Replan));
            }
            Err(e) => {
                job.commit.drop_staged(&job.staged);
                outcomes.push((id, Outcome::Over(Err(e))));
            }
        }
    }
    let members = seal(state, members, &mut outcomes);
    land(state, &members, &mut outcomes);
    if let Err(e) = gc::collect_flushed(state, &lock) {
        tracing::warn!("gc: {e}");
    }
    (outcomes, later)
}

/// Takes the lock; the base is whole and undamaged.
fn ready(state: &State) -> Result<Lock, CommitError> {
    let lock = state.exclusive()?;
    recover::settle(state, &lock).map_err(Box::new)?;
    let damaged = recover::damage(state).doing("landings")?;
    if damaged.is_empty() { Ok(lock) } else { Err(CommitError::Damaged { paths_: damaged }) }
}

/// Whether no step's path is one of these, or above or below one: then nothing that its plan
/// looked at is changed by their steps, nor the other way round.
fn apart(paths: &BTreeSet<RelPath>, steps: &[Step]) -> bool {
    steps.iter().all(|s| {
        let below = || {
            let from = paths.range::<RelPath, _>(&s.path..);
            from.take_while(|p| p.as_bytes().starts_with(s.path.as_bytes()))
                .any(|p| p.starts_with(&s.path))
        };
        paths.is_empty()
            || !(paths.contains(&s.path)
                || s.path.ancestors().any(|a| paths.contains(&a))
                || below())
    })
}

/// Validates a job again, now that nothing can come in between. False: another plan is due.
fn valid(state: &State, job: &Job) -> Result<bool, CommitError> {
    job.commit.on_its_landing()?;
    if job.commit.plan()? != job.planned {
        return Ok(false);
    }
    preflight::check(state, &job.commit.meta.id, &job.staged.intent.steps)?;
    Ok(true)
}

/// A landing that is sealed, or may be.
struct Sealed {
    id: u64,
    number: u64,
    job: Job,
    /// Why it must be undone before anything of it is done.
    failed: Option<io::Error>,
}

/// The commit point of all: renamed to `landings/<k>`, durably.
fn seal(state: &State, jobs: Jobs, out: &mut Outcomes) -> Vec<Sealed> {
    let mut members: Vec<Sealed> = Vec::new();
    if jobs.is_empty() {
        return members;
    }
    let fail = |out: &mut Vec<_>, id, job: Job, e| {
        job.commit.drop_staged(&job.staged);
        out.push((id, Outcome::Over(Err(HostError::new("sealing", e).into()))));
    };
    let mut number = match next(state) {
        Ok(k) => k,
        Err(e) => {
            for (id, job) in jobs {
                fail(out, id, job, again(&e));
            }
            return members;
        }
    };
    let mut doubt: Option<io::Error> = None;
    for (id, job) in jobs {
        if let Some(e) = &doubt {
            fail(out, id, job, again(e));
            continue;
        }
        let name = history::name(number);
        let renamed =
            state.disk.rename_noreplace(&state.staging, &job.staged.name, &state.landings, &name);
        if let Err(e) = &renamed {
            // It may have been renamed all the same.
            match Look::at(&state.landings, &name) {
                Ok(None) => {
                    fail(out, id, job, again(e));
                    continue;
                }
                Ok(Some(_)) => {}
                // Nobody looks behind a number that is missing: the next one must not be used.
                Err(_) => doubt = Some(again(e)),
            }
        }
        members.push(Sealed { id, number, job, failed: renamed.err() });
        number += 1;
    }
    let Some(last) = members.last().map(|m| m.number) else { return members };
    let sealed = state
        .disk
        .sync_dir(&state.landings)
        .and_then(|()| state.seq.raise(&state.disk, Value::new(last, Phase::Sealed)));
    if let Err(e) = sealed {
        for m in &mut members {
            m.failed.get_or_insert_with(|| again(&e));
        }
    }
    members
}

/// The next number: after the sequence and after all that lies there.
fn next(state: &State) -> io::Result<u64> {
    let newest = match recover::quiet(state)? {
        true => 0,
        false => history::numbers(state)?.last().copied().unwrap_or(0),
    };
    Ok(state.seq.get()?.landing().max(newest) + 1)
}

/// Applies, makes durable and ends what is sealed; undoes what fails.
fn land(state: &State, members: &[Sealed], out: &mut Outcomes) {
    let Some(last) = members.last().map(|m| m.number) else { return };
    let failed_before = state.flush.failed();
    let mut works: Vec<(Work<'_>, Result<(), Box<Failed>>)> = Vec::new();
    for m in members {
        let mut work = Work::new(state, m.number, &m.job.staged.dir, &m.job.staged.intent.steps);
        work.session = Some(m.job.commit.meta.id.clone());
        let applied = match &m.failed {
            Some(e) => Err(m.failed(again(e))),
            None => work.apply(),
        };
        works.push((work, applied));
    }
    if works.iter().any(|(_, applied)| applied.is_ok()) {
        match state.flush.wait(&state.disk, failed_before) {
            Ok(()) => state.flushed(members.first().map_or(0, |m| m.number)),
            Err(e) => {
                let ok = works.iter_mut().zip(members).filter(|((_, a), _)| a.is_ok());
                for ((_, applied), m) in ok {
                    *applied = Err(m.failed(again(&e)));
                }
            }
        }
    }
    let (mut interrupted, mut well) = (false, true);
    let mut landed = Vec::new();
    for (m, (mut work, applied)) in members.iter().zip(works) {
        let Err(failed) = applied else {
            landed.push((m, work));
            continue;
        };
        let e = undo(state, &m.job.commit, &mut work, *failed, last);
        interrupted |= matches!(e, CommitError::Interrupted { .. });
        well &= !matches!(e, CommitError::Damaged { .. });
        out.push((m.id, Outcome::Over(Err(e))));
    }
    let ended: Vec<_> = landed
        .into_iter()
        .map(|(m, mut work)| {
            let intent = &m.job.staged.intent;
            let mut entry = journal::landed(m.number, intent);
            if let (Some(settled), Some(detail)) = (&m.job.commit.settled, &mut entry.detail) {
                detail["settled"] = serde_json::json!(settled);
            }
            (m, finish(state, intent, &mut work, Some(&entry)))
        })
        .collect();
    well &= ended.iter().all(|(_, finished)| finished.is_ok());
    let moved = match (interrupted, well) {
        // The next command sees that something is neither done nor undone.
        (true, _) => Ok(()),
        (_, true) => state.seq.settle(&state.disk, last),
        (_, false) => state.seq.raise(&state.disk, Value::new(last, Phase::Ended)),
    };
    for (m, finished) in ended {
        let finished = match (&moved, finished) {
            (Err(e), Ok(_)) => Err(again(e)),
            (_, f) => f,
        };
        out.push((m.id, Outcome::Over(Ok(m.landed(state, finished)))));
    }
}

impl Sealed {
    fn failed(&self, source: io::Error) -> Box<Failed> {
        Box::new(Failed { path: self.job.commit.meta.subdir.clone(), source, conflict: None })
    }

    fn landed(&self, state: &State, finished: io::Result<Vec<Kept>>) -> Landed {
        let c = &self.job.commit;
        let mut warnings = Vec::new();
        match finished {
            Ok(late) => {
                for Kept { path, at, .. } in late {
                    let mut e = entry(state, "late-edit", &c.meta, &c.options);
                    e.landing = Some(self.number);
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
        warnings.extend(executed(&c.set));
        let (landing, changes) = (Some(self.number), c.set.clone());
        let notes = c.notes.iter().map(|change| change.path.clone()).collect();
        Landed { landing, changes, notes, warnings, parent: None, head: None, children: Vec::new() }
    }
}

/// Undoes a sealed landing. `last`: the batch's.
fn undo(
    state: &State,
    commit: &Commit,
    work: &mut Work<'_>,
    failed: Failed,
    last: u64,
) -> CommitError {
    let landing = work.number;
    if is_stop(&failed.source) {
        return CommitError::Interrupted { landing, source: failed.source };
    }
    let undone = recover::mark_aborting(state, work.dir)
        .and_then(|()| state.seq.raise(&state.disk, Value::new(last, Phase::Aborting)))
        .and_then(|()| recover::undo(state, work));
    match undone {
        Err(source) => CommitError::Interrupted { landing, source },
        Ok(Err(paths_)) => CommitError::Damaged { paths_ },
        Ok(Ok(())) => match failed.conflict {
            Some(c) => {
                CommitError::Conflict { session: commit.meta.id.clone(), conflicts: vec![c] }
            }
            None => CommitError::Failed { path: failed.path, source: failed.source },
        },
    }
}

/// The same error, for somebody else whom it concerns.
fn again(e: &io::Error) -> io::Error {
    match e.raw_os_error() {
        Some(n) => io::Error::from_raw_os_error(n),
        None => io::Error::new(e.kind(), e.to_string()),
    }
}

#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod sealed_tests;
#[cfg(test)]
mod tests;
