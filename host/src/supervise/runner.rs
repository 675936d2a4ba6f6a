//! Sessions and runs for the supervisor's engine.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use brio_landing::{
    BeginError, BeginOptions, CommitError, CommitOptions, LowerOptions, Metadata, RebaseOptions,
    RollbackError, Seal, SessionError,
};
use brio_supervisor::{
    Base, Begin, Commit, Landing, On, Problem, ProblemKind, Report, Run, Runner, Standing, Stop,
};

use super::logs::Logs;
use super::report;
use crate::{Brio, FindError, SessionHandle};

/// How long is waited for a session that another part of the same job is about to let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a branch's rollback is tried at once.
const ROLLBACKS: u32 = 3;

/// Makes sessions and runs by this Brio.
pub(super) struct HostRunner {
    pub(super) brio: Brio,
    /// See [`ExecRequest::caller_env`](crate::ExecRequest::caller_env).
    pub(super) caller_env: Vec<(OsString, OsString)>,
    pub(super) logs: Logs,
    /// Sessions of jobs, which need not be looked for again.
    pub(super) open: Mutex<HashMap<String, SessionHandle>>,
    /// Branches that could not be rolled back, for the next one that can.
    pub(super) left: Mutex<Vec<String>>,
}

impl HostRunner {
    fn session(&self, id: &str) -> Result<SessionHandle, Problem> {
        self.find(id).map_err(find_problem)
    }

    fn find(&self, id: &str) -> Result<SessionHandle, FindError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        open.map_or_else(|| self.brio.find(id, None), Ok)
    }

    fn keep(&self, session: SessionHandle) -> String {
        let id = session.id().to_string();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), session);
        id
    }

    fn left(&self) -> MutexGuard<'_, Vec<String>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rolls a branch back; whether it is gone.
    fn is_gone(&self, id: &str) -> bool {
        let done = self.rollback(id);
        if let Err(error) = &done {
            tracing::warn!(session = id, %error, "a branch is left");
        }
        done.is_ok()
    }

    fn forget(&self, id: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Runs in a session, or in a branch of it that is gone afterwards.
    fn run_there(&self, run: &Run<'_>, stop: &Stop) -> Result<Report, Problem> {
        let (session, branch) = match run.on {
            On::Session(id) if !run.branch => (self.session(id)?, None),
            on => {
                let landing = Landing::default();
                let label = branch_label(run.job, run.part);
                let begin =
                    Begin { on, label: &label, goal: None, name: run.part, landing: &landing };
                let id = self.begin(&begin)?;
                (self.session(&id)?, Some(Branch { runner: self, id }))
            }
        };
        let log = self.logs.open(run.job, run.part);
        let report = report::run(&self.brio, &session, run, &self.caller_env, &log, stop);
        log.end(&report);
        drop(branch);
        Ok(report)
    }
}

/// A branch for one run: gone when this is, also when the run panics.
struct Branch<'a> {
    runner: &'a HostRunner,
    id: String,
}

impl Drop for Branch<'_> {
    fn drop(&mut self) {
        let mut left = std::mem::take(&mut *self.runner.left());
        left.push(std::mem::take(&mut self.id));
        // A disk that fails once need not fail twice, and nobody else looks for these.
        left.retain(|id| (0..ROLLBACKS).all(|_| !self.runner.is_gone(id)));
        self.runner.left().append(&mut left);
    }
}

/// What a branch carries: of which job it is, and that it is nobody's work.
fn branch_label(job: &str, part: &str) -> String {
    format!("{job}~{part}")
}

impl Runner for HostRunner {
    fn place(&self, job: &str, base: &Base) -> Result<PathBuf, Problem> {
        let fail = |path: &Path, e: &io::Error| {
            unusable("BASE_UNUSABLE", format!("{}: {e}", path.display()))
        };
        match base {
            Base::Directory(dir) => {
                let path = dir.canonicalize().map_err(|e| fail(dir, &e))?;
                if !path.is_dir() {
                    return Err(fail(dir, &io::ErrorKind::NotADirectory.into()));
                }
                Ok(path)
            }
            Base::Sample(files) => {
                let path = self.brio.home().join("samples").join(job);
                if !path.is_dir() {
                    super::sample::make(&path, files).map_err(|e| fail(&path, &e))?;
                }
                Ok(path)
            }
        }
    }

    fn begin(&self, what: &Begin<'_>) -> Result<String, Problem> {
        let options = || BeginOptions {
            metadata: Metadata {
                goal: what.goal.map(str::to_owned),
                agent: Some(what.name.to_owned()),
                task_id: Some(what.label.to_owned()),
                ..Metadata::default()
            },
            lower: LowerOptions {
                wanted: what.landing.lower.clone(),
                excludes: what.landing.exclude.clone(),
                ..LowerOptions::default()
            },
            isolation: what.landing.isolation,
            ..BeginOptions::default()
        };
        let begun = match what.on {
            On::Base(base) => self.brio.begin_with(base, options()).map_err(begin_problem)?,
            On::Session(parent) => {
                let parent = self.session(parent)?;
                patiently(|| parent.begin_child_with(options()), is_busy_begin)
                    .map_err(begin_problem)?
            }
        };
        Ok(self.keep(begun))
    }

    fn run(&self, run: &Run<'_>, stop: &Stop) -> Report {
        self.run_there(run, stop).unwrap_or_else(Report::from)
    }

    fn seal(&self, session: &str) -> Result<String, Problem> {
        let handle = self.session(session)?;
        let handle = handle.session().map_err(|e| refused(e.code(), &e))?;
        let sealed = patiently(|| handle.seal(), is_busy).map_err(commit_problem)?;
        serde_json::to_string(&sealed).map_err(|e| unusable("SEAL", e.to_string()))
    }

    fn rebase(&self, session: &str, landing: &Landing) -> Result<(), Problem> {
        let handle = self.session(session)?;
        let handle = handle.session().map_err(|e| refused(e.code(), &e))?;
        let options = RebaseOptions { policy: landing.policy, stop: false };
        patiently(|| handle.rebase(&options), is_busy).map(drop).map_err(commit_problem)
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<Option<u64>, Problem> {
        let session = self.session(commit.session)?;
        let sealed: Option<Seal> = match commit.seal {
            None => None,
            Some(seal) => {
                Some(serde_json::from_str(seal).map_err(|e| unusable("SEAL", e.to_string()))?)
            }
        };
        let options = || CommitOptions {
            message: commit.landing.message.clone().or_else(|| commit.goal.map(str::to_owned)),
            // Under a seal nothing is settled: what could be breaks the seal.
            policy: commit.landing.policy,
            sealed: sealed.clone(),
            ..CommitOptions::default()
        };
        let landed = patiently(|| session.commit(options()), is_busy).map_err(commit_problem)?;
        self.forget(commit.session);
        Ok(landed.landing)
    }

    fn rollback(&self, session: &str) -> Result<(), Problem> {
        let handle = match self.find(session) {
            Ok(handle) => handle,
            Err(
                FindError::Ended { .. }
                | FindError::Session(SessionError::Ended { .. } | SessionError::Unknown { .. }),
            ) => return Ok(()),
            Err(e) => return Err(find_problem(e)),
        };
        match handle.rollback_cascade(true) {
            Ok(_)
            | Err(RollbackError::Session(
                SessionError::Ended { .. } | SessionError::Unknown { .. },
            )) => {
                self.forget(session);
                Ok(())
            }
            Err(e) => Err(refused(e.code(), &e)),
        }
    }

    fn prune(&self, session: &str) -> Result<(), Problem> {
        let info = self.session(session)?.info().map_err(|e| refused(e.code(), &e))?;
        info.children.iter().try_for_each(|child| self.rollback(child.as_str()))
    }

    fn sweep(&self, base: &Path, job: &str) -> Result<(), Problem> {
        let prefix = branch_label(job, "");
        for (session, label, _) in self.labelled(base)? {
            if label.starts_with(&prefix) {
                self.rollback(&session)?;
            }
        }
        Ok(())
    }

    fn standing(&self, base: &Path, label: &str) -> Result<Standing, Problem> {
        let open = self.labelled(base)?;
        let open = open.into_iter().find(|(_, of, branches)| of == label && !branches);
        if let Some((session, _, _)) = open {
            return Ok(Standing::Open(session));
        }
        let Some(domain) = self.domain(base)? else { return Ok(Standing::None) };
        let entries = domain.journal_entries().map_err(|e| refused("IO", &e))?;
        let landed = entries.iter().rev().find(|e| {
            e.task_id.as_deref() == Some(label) && matches!(e.what.as_str(), "landed" | "unchanged")
        });
        // On a project's head, the number is the position there.
        let number = |e: &brio_landing::JournalEntry| {
            e.landing.or_else(|| e.detail.as_ref()?.get("position")?.as_u64())
        };
        Ok(landed.map_or(Standing::None, |e| Standing::Landed(number(e))))
    }
}

impl HostRunner {
    fn domain(&self, base: &Path) -> Result<Option<brio_landing::Domain>, Problem> {
        match self.brio.domain(base, false) {
            Ok((domain, _)) => Ok(Some(domain)),
            Err(brio_landing::DomainError::NoDomain { .. }) => Ok(None),
            Err(e) => Err(refused(e.code(), &e)),
        }
    }

    /// The open sessions on a base that carry a label; whether each is a branch of another.
    fn labelled(&self, base: &Path) -> Result<Vec<(String, String, bool)>, Problem> {
        let Some(domain) = self.domain(base)? else { return Ok(Vec::new()) };
        let sessions = domain.sessions().map_err(|e| refused(e.code(), &e))?;
        let labelled = sessions
            .into_iter()
            .filter_map(|info| Some((info.id.to_string(), info.task_id?, info.parent.is_some())));
        Ok(labelled.collect())
    }
}

/// Tries again while another part of the same job holds the session for a moment.
fn patiently<T, E>(
    mut act: impl FnMut() -> Result<T, E>,
    busy: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let begun = Instant::now();
    loop {
        match act() {
            Err(e) if busy(&e) && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn is_busy(e: &CommitError) -> bool {
    e.code() == "SESSION_BUSY"
}

fn is_busy_begin(e: &BeginError) -> bool {
    e.code() == "SESSION_BUSY"
}

fn unusable(code: &str, error: impl Display) -> Problem {
    Problem::new(ProblemKind::Unusable, code, error)
}

fn refused(code: &str, error: impl Display) -> Problem {
    Problem::new(ProblemKind::Refused, code, error)
}

fn begin_problem(e: BeginError) -> Problem {
    let kind = match e.code() {
        // What another attempt may find otherwise.
        "SESSION_BUSY" | "NO_SPACE" | "IO" | "CHANGING" | "RECOVERY_NEEDED" => ProblemKind::Refused,
        _ => ProblemKind::Unusable,
    };
    Problem::new(kind, e.code(), e)
}

fn commit_problem(e: CommitError) -> Problem {
    let kind = match e.code() {
        "CONFLICT" | "UNRESOLVED" => ProblemKind::Conflict,
        "SEAL_BROKEN" | "SESSION_BEHIND" => ProblemKind::SealBroken,
        _ => ProblemKind::Refused,
    };
    let mut problem = Problem::new(kind, e.code(), e);
    // What becomes of the session is the task's to say.
    if let Some((what, _)) = problem.message.split_once("; the session is kept") {
        problem.message = what.to_owned();
    }
    problem
}

fn find_problem(e: FindError) -> Problem {
    refused(e.code(), &e)
}
