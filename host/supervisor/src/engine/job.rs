//! One job: from where it is to its end, or to where it waits.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brio_registry::queue::{Back, Job, Queue};

use super::gates::Settled;
use super::progress::{Halt, Memo, Progress, Stumble};
use super::work::Worker;
use crate::{
    Begin, Event, Hook, Kind, Mendable, On, Outcome, Report, Retry, Run, Runner, Standing,
    StepKind, Stop, Task, Why,
};

/// How often a job may lose its process, or its base, before it is taken for the cause.
const SETBACKS: u32 = 5;

/// What a job is carried out with.
pub(super) struct Carrier<'a> {
    pub(super) queue: &'a Queue,
    pub(super) runner: &'a dyn Runner,
    pub(super) owner: &'a str,
    pub(super) now: &'a (dyn Fn() -> i64 + Sync),
    pub(super) tell: &'a (dyn Fn(Event) + Sync),
    pub(super) stop: Stop,
}

impl Carrier<'_> {
    /// Carries a job on that this owner has. `orphan`: its last owner died.
    pub(super) fn carry(&self, job: &Job, orphan: bool) -> Result<(), Halt> {
        let task: Task = match serde_json::from_str(&job.task) {
            Ok(task) => task,
            Err(e) => {
                let stumble = Stumble::new(Kind::Unusable, "TASK", e.to_string());
                return self.finish(job, &ended(None, &Progress::default(), Err(&stumble)));
            }
        };
        let Some(base) = &task.base else {
            let stumble = Stumble::new(Kind::Unusable, "TASK", "it has no base");
            return self.finish(job, &ended(Some(&task), &Progress::default(), Err(&stumble)));
        };
        if task.session == crate::SessionMode::None {
            return self.group(job, &task);
        }
        let memo = job.memo.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let place = self.runner.place(&job.id, base);
        if job.attempt > 0
            && let Ok(base) = &place
            && let Err(error) = self.runner.sweep(base, &job.id)
        {
            tracing::warn!(job = job.id, %error, "a branch is left");
        }
        if let Some(Memo::After(outcome, from)) = memo {
            return self.after(job, &task, outcome, from);
        }
        let base = match place {
            Ok(base) => base,
            // It was there when work began: it may come back.
            Err(problem) if job.attempt > 0 => return self.later(job, &task, &problem.into()),
            Err(problem) => {
                let outcome = ended(Some(&task), &Progress::default(), Err(&problem.into()));
                return self.after(job, &task, outcome, 0);
            }
        };
        if job.attempt > 0 {
            let mut progress = match memo {
                Some(Memo::Gates(progress)) => Some(progress),
                _ => None,
            };
            let standing = match self.runner.standing(&base, &label(job, job.attempt)) {
                Ok(standing) => standing,
                // Its base cannot be looked at now: later, then.
                Err(problem) => return self.later(job, &task, &problem.into()),
            };
            match standing {
                Standing::Landed(landing) => {
                    let progress = progress.unwrap_or_default();
                    return self.landed(job, &task, landing, &progress);
                }
                Standing::Open(session) => {
                    if let Some(progress) = &mut progress
                        && !job.cancelled
                    {
                        let label = label(job, job.attempt);
                        return self.at_gates(job, &task, &base, (&label, &session), progress);
                    }
                    if !self.give_up(job, &label(job, job.attempt), &session) {
                        let what = format!("its session {session} cannot be rolled back");
                        let stumble = Stumble::new(Kind::Refused, "NOT_ROLLED_BACK", what);
                        return self.later(job, &task, &stumble);
                    }
                }
                Standing::None if progress.is_some() && !orphan && !job.cancelled => {
                    let what = "its session was rolled back while it waited";
                    let stumble = Stumble::new(Kind::Rejected, "ROLLED_BACK", what);
                    let progress = progress.unwrap_or_default();
                    return self.after(job, &task, ended(Some(&task), &progress, Err(&stumble)), 0);
                }
                Standing::None => {}
            }
        }
        if job.cancelled {
            let stumble = Stumble::new(Kind::Cancelled, "CANCELLED", "it was cancelled");
            return self.finish(job, &ended(Some(&task), &Progress::default(), Err(&stumble)));
        }
        if orphan {
            if job.setbacks >= SETBACKS {
                let what = format!("its process ended {} times while it ran", job.setbacks + 1);
                let stumble = Stumble::new(Kind::Stopped, "INTERRUPTED", what);
                let outcome = ended(Some(&task), &Progress::default(), Err(&stumble));
                return self.after(job, &task, outcome, 0);
            }
            // Counted before it is made again, or it would never be.
            held(self.queue.put_back(&job.id, self.owner, (self.now)(), Back::Crashed)?)?;
            return Ok(());
        }
        self.attempt(job, &task, &base)
    }

    fn attempt(&self, job: &Job, task: &Task, base: &Path) -> Result<(), Halt> {
        let Some(attempt) = self.queue.begin_attempt(&job.id, self.owner)? else {
            return Err(Halt::Lost);
        };
        let job = &Job { attempt, ..job.clone() };
        let label = label(job, attempt);
        let mut progress = Progress::default();
        let begun = self.runner.begin(&Begin {
            on: On::Base(base),
            label: &label,
            goal: task.goal.as_deref(),
            name: &task.name,
            landing: &task.landing,
        });
        let session = match begun {
            Ok(session) => session,
            Err(problem) => {
                // One that was begun although it failed.
                let standing = self.runner.standing(base, &label);
                let open = match &standing {
                    Ok(Standing::Open(session)) => Some(session.as_str()),
                    _ => None,
                };
                return self.stumbled(job, task, open, &problem.into(), &progress);
            }
        };
        held(self.queue.note_session(&job.id, self.owner, &session)?)?;
        (self.tell)(Event::Began { job: job.id.clone(), attempt, session: session.clone() });
        let worked = self.worker(job, &label).work(task, &session, "", &mut progress);
        if let Err(stumble) = worked {
            return self.stumbled(job, task, Some(&session), &stumble, &progress);
        }
        self.remember(job, Some(&session), &Memo::Gates(progress.clone()))?;
        self.at_gates(job, task, base, (&label, &session), &mut progress)
    }

    fn at_gates(
        &self,
        job: &Job,
        task: &Task,
        base: &Path,
        (label, session): (&str, &str),
        progress: &mut Progress,
    ) -> Result<(), Halt> {
        let said = || {
            let said = self.queue.decisions(session);
            said.map_err(|e| Stumble::new(Kind::Refused, e.code(), e.to_string()))
        };
        let before = progress.clone();
        let settled = self.runner.prune(session).map_err(Stumble::from).and_then(|()| {
            self.worker(job, label).settle(task, session, "", progress, Some(&said))
        });
        match settled {
            Ok(Settled::Landed(landing)) => self.landed(job, task, landing, progress),
            Ok(Settled::Waits(seal)) => {
                // The gates' own words are said again when they are asked again.
                let memo = Progress { fixed: progress.fixed.clone(), ..before };
                self.remember(job, Some(session), &Memo::Gates(memo))?;
                held(self.queue.wait(&job.id, self.owner, &seal)?)?;
                (self.tell)(Event::Waits { job: job.id.clone(), session: session.into(), seal });
                Ok(())
            }
            Err(stumble) => {
                // What the base says counts: a commit may have failed after it landed.
                if stumble.kind == Kind::Refused
                    && let Ok(Standing::Landed(landing)) = self.runner.standing(base, label)
                {
                    return self.landed(job, task, landing, progress);
                }
                if stumble.kind == Kind::Cancelled && self.stop.why() == Some(Why::Shutdown) {
                    // The work is done: the next one asks the gates again.
                    let memo = Progress { fixed: progress.fixed.clone(), ..before };
                    self.remember(job, Some(session), &Memo::Gates(memo))?;
                    let back = self.queue.put_back(&job.id, self.owner, (self.now)(), Back::Paused);
                    return held(back?);
                }
                self.stumbled(job, task, Some(session), &stumble, progress)
            }
        }
    }

    fn landed(
        &self,
        job: &Job,
        task: &Task,
        landing: Option<u64>,
        progress: &Progress,
    ) -> Result<(), Halt> {
        self.after(job, task, ended(Some(task), progress, Ok(landing)), 0)
    }

    /// It did not land: once more, or it has failed.
    fn stumbled(
        &self,
        job: &Job,
        task: &Task,
        session: Option<&str>,
        stumble: &Stumble,
        progress: &Progress,
    ) -> Result<(), Halt> {
        let shutdown = stumble.kind == Kind::Cancelled && self.stop.why() == Some(Why::Shutdown);
        let made = job.attempt.saturating_sub(job.interrupted);
        let again = shutdown || (mendable(&task.retry, stumble.kind) && made < task.retry.attempts);
        let mut outcome = ended(Some(task), progress, Err(stumble));
        if let Some(session) = session {
            let could_not_land = matches!(stumble.kind, Kind::Conflict | Kind::Refused);
            let keep = could_not_land && task.landing.keep && !again;
            // Said also when it stays because it could not be rolled back.
            if keep || (!self.give_up(job, &label(job, job.attempt), session) && !again) {
                outcome.kept = Some(session.to_owned());
            }
        }
        if !again {
            return self.after(job, task, outcome, 0);
        }
        let due = if shutdown { (self.now)() } else { (self.now)() + back_off(&task.retry, made) };
        let why = if shutdown { Back::Stopped } else { Back::Again };
        held(self.queue.put_back(&job.id, self.owner, due, why)?)?;
        if !shutdown {
            (self.tell)(Event::Again { job: job.id.clone(), due, why: outcome.message });
        }
        Ok(())
    }

    /// Puts a job back whose base cannot be looked at, until that is hopeless.
    fn later(&self, job: &Job, task: &Task, stumble: &Stumble) -> Result<(), Halt> {
        if job.setbacks >= SETBACKS {
            let mut outcome = ended(Some(task), &Progress::default(), Err(stumble));
            outcome.kept.clone_from(&job.session);
            return self.after(job, task, outcome, 0);
        }
        let due = (self.now)() + back_off(&task.retry, job.setbacks + 1);
        held(self.queue.put_back(&job.id, self.owner, due, Back::Unknown)?)
    }

    /// What it does when it has ended, from a hook on; then it is done. A hook that was under way
    /// when its process ended is run again.
    fn after(&self, job: &Job, task: &Task, mut outcome: Outcome, from: usize) -> Result<(), Halt> {
        let hooks = match outcome.kind {
            Kind::Landed | Kind::Unchanged => task.after.landed.as_slice(),
            Kind::Cancelled => &[],
            _ => task.after.failed.as_slice(),
        };
        let base = match (&task.base, hooks.is_empty()) {
            (Some(base), false) => self.runner.place(&job.id, base).ok(),
            _ => None,
        };
        for (n, hook) in hooks.iter().enumerate().skip(from) {
            self.remember(job, job.session.as_deref(), &Memo::After(outcome.clone(), n))?;
            self.hook(job, hook, base.as_ref(), &mut outcome);
        }
        self.finish(job, &outcome)
    }

    fn hook(&self, job: &Job, hook: &Hook, base: Option<&PathBuf>, outcome: &mut Outcome) {
        let begun = Instant::now();
        let mut env = vec![
            ("BRIO_OUTCOME".to_owned(), outcome.name.clone()),
            ("BRIO_TASK".to_owned(), job.id.clone()),
        ];
        env.extend(outcome.landing.map(|k| ("BRIO_LANDING".to_owned(), k.to_string())));
        // Its end is certain by now: nothing cuts that short but its own limits.
        let stop = Stop::default();
        let label = label(job, job.attempt);
        let worker = Worker { stop: &stop, ..self.worker(job, &label) };
        let report = match base {
            Some(base) => worker.run(&Run {
                job: &job.id,
                part: &hook.name,
                on: On::Base(base),
                branch: true,
                what: &StepKind::Command(hook.command.clone()),
                env: &env,
                limits: hook.limits,
            }),
            None => Report::failed(Kind::Unusable, "IO", "its base is not there"),
        };
        let name = if report.failed.is_none() { &hook.done_as } else { &hook.failed_as };
        if let Some(name) = name {
            outcome.name.clone_from(name);
        }
        let mut progress = Progress::default();
        worker.part(&mut progress, "", &hook.name, &report, begun);
        outcome.parts.append(&mut progress.parts);
    }

    /// A group whose children are done.
    fn group(&self, job: &Job, task: &Task) -> Result<(), Halt> {
        let mut outcome = ended(Some(task), &Progress::default(), Ok(None));
        let mut cancelled = false;
        for (row, child) in self.queue.children(&job.id)?.iter().zip(&task.children.tasks) {
            let done = row.outcome.as_deref().and_then(|text| serde_json::from_str(text).ok());
            let done: Outcome = match done {
                Some(done) => done,
                None => {
                    let stumble = Stumble::new(Kind::Unusable, "TASK", "its outcome is not known");
                    ended(Some(&child.task), &Progress::default(), Err(&stumble))
                }
            };
            let mut parts = Progress::default();
            let failed = (!done.kind.is_success()).then_some(done.kind);
            let report = Report {
                failed,
                code: done.code.clone(),
                message: if failed.is_some() { done.message.clone() } else { done.name.clone() },
                metrics: Vec::new(),
            };
            parts.part(&child.task.name, &report, Instant::now());
            if let Some(part) = parts.parts.last_mut() {
                part.may_fail = child.may_fail;
                part.millis = span(row.started_at, row.ended_at);
            }
            outcome.parts.append(&mut parts.parts);
            if failed.is_some() && !child.may_fail && outcome.kind.is_success() {
                outcome.kind = done.kind;
                outcome.code = done.code;
                outcome.message = format!("{}: {}", child.task.name, done.message);
                outcome.name.clone_from(&task.names.failed);
            }
            outcome.landing = outcome.landing.max(done.landing);
            cancelled |= done.kind == Kind::Cancelled;
        }
        if outcome.kind.is_success() {
            if outcome.landing.is_some() {
                outcome.kind = Kind::Landed;
            }
            if job.cancelled && cancelled {
                let stumble = Stumble::new(Kind::Cancelled, "CANCELLED", "it was cancelled");
                let parts = std::mem::take(&mut outcome.parts);
                let landing = outcome.landing;
                outcome = ended(Some(task), &Progress::default(), Err(&stumble));
                (outcome.parts, outcome.landing) = (parts, landing);
            }
        }
        self.finish(job, &outcome)
    }

    fn finish(&self, job: &Job, outcome: &Outcome) -> Result<(), Halt> {
        let text = serde_json::to_string(outcome).unwrap_or_default();
        held(self.queue.finish(&job.id, self.owner, &text, (self.now)())?)?;
        (self.tell)(Event::Ended { job: job.id.clone(), outcome: outcome.clone() });
        Ok(())
    }

    fn remember(&self, job: &Job, session: Option<&str>, memo: &Memo) -> Result<(), Halt> {
        let text = serde_json::to_string(memo).ok();
        held(self.queue.note(&job.id, self.owner, session, text.as_deref())?)
    }

    fn give_up(&self, job: &Job, label: &str, session: &str) -> bool {
        self.worker(job, label).give_up(session)
    }

    fn worker<'b>(&'b self, job: &'b Job, label: &'b str) -> Worker<'b> {
        Worker { runner: self.runner, job: &job.id, label, stop: &self.stop, tell: self.tell }
    }
}

fn held(mine: bool) -> Result<(), Halt> {
    if mine { Ok(()) } else { Err(Halt::Lost) }
}

/// What the session of an attempt carries.
fn label(job: &Job, attempt: u32) -> String {
    format!("{}#{attempt}", job.id)
}

fn mendable(retry: &Retry, kind: Kind) -> bool {
    let mendable = match kind {
        Kind::Conflict => Mendable::Conflict,
        Kind::Failed => Mendable::Failed,
        Kind::Stopped => Mendable::Stopped,
        Kind::Refused => Mendable::Refused,
        Kind::Rejected => Mendable::Rejected,
        Kind::Landed | Kind::Unchanged | Kind::NotChosen | Kind::Cancelled | Kind::Unusable => {
            return false;
        }
    };
    retry.on.contains(&mendable)
}

/// The pause after so many attempts, in milliseconds: doubled each time, an hour at most.
fn back_off(retry: &Retry, made: u32) -> i64 {
    let factor = 1_u32.checked_shl(made.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = retry.back_off.saturating_mul(factor).min(Duration::from_secs(3600));
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
}

fn span(from: Option<i64>, to: Option<i64>) -> u64 {
    let span = from.zip(to).map_or(0, |(from, to)| to - from);
    u64::try_from(span).unwrap_or(0)
}

fn ended(task: Option<&Task>, progress: &Progress, how: Result<Option<u64>, &Stumble>) -> Outcome {
    let names = task.map(|t| t.names.clone()).unwrap_or_default();
    let parts = progress.parts.clone();
    match how {
        Ok(landing) => Outcome {
            kind: if landing.is_some() { Kind::Landed } else { Kind::Unchanged },
            name: names.landed,
            code: None,
            message: progress.summary().unwrap_or_default().to_owned(),
            landing,
            kept: None,
            parts,
        },
        Err(stumble) => Outcome {
            kind: stumble.kind,
            name: stumble.name.clone().unwrap_or(match stumble.kind {
                Kind::Rejected => names.rejected,
                Kind::Conflict | Kind::Refused => names.not_landed,
                Kind::Cancelled => "Cancelled".into(),
                _ => names.failed,
            }),
            code: stumble.code.clone(),
            message: stumble.message.clone(),
            landing: None,
            kept: None,
            parts,
        },
    }
}
