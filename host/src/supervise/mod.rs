//! Tasks, carried out: the supervisor's engine over this Brio's sessions and runs.

#[cfg(unix)]
mod control;
mod logs;
mod network;
mod prune;
mod report;
mod runner;
mod sample;
mod start;

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use brio_registry::RegistryError;
use brio_registry::queue::{Decision, Job, JobCounts, JobState, Queue, QueueError};
use brio_runtime::StopToken;
use brio_supervisor::{Engine, Options, Outcome, ProblemKind, Runner, SubmitError, Task, Tell};

use crate::{Brio, FindError};
use logs::Logs;
use runner::HostRunner;

/// How often is looked whether a job has ended that another process works on.
const WAIT_POLL: Duration = Duration::from_millis(50);

/// The tasks of a home. Cheap to clone; clones are one.
///
/// Submitting needs nobody who works on the queue, and working on it nobody who submits.
#[derive(Clone)]
pub struct Supervisor {
    brio: Brio,
    queue: Arc<Queue>,
    runner: Arc<HostRunner>,
    /// Where this process exports sessions.
    nfs: Arc<OnceLock<SocketAddr>>,
}

/// How the queue is worked on.
#[derive(Clone)]
pub struct WorkOptions {
    /// Jobs that run at once, at least 1.
    pub jobs: usize,
    /// Only what was submitted as this task, until that has ended.
    pub only: Option<String>,
    /// Told of what happens, by the thread that it happens on.
    pub events: Tell,
}

impl Default for WorkOptions {
    /// As many at once as the machine has processors; nobody is told.
    fn default() -> Self {
        let jobs = std::thread::available_parallelism().map_or(2, usize::from);
        Self { jobs, only: None, events: Arc::new(|_| {}) }
    }
}

/// A task could not be looked up, changed or worked on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuperviseError {
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The index of sessions.
    #[error(transparent)]
    Index(#[from] RegistryError),
    /// It cannot be submitted.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// There is no such task.
    #[error("TASK_UNKNOWN: {id}: there is no such task; `brio task list` shows them")]
    Unknown {
        /// As it was given.
        id: String,
    },
    /// Its session cannot be found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The session has no state that could be decided about.
    #[error(transparent)]
    Seal(#[from] brio_supervisor::Problem),
    /// Nobody asks about that session.
    #[error(
        "NOT_WAITING: {session}: no task waits for a decision about it; `brio task list` shows which do"
    )]
    NotWaiting {
        /// The session.
        session: String,
    },
    /// The session or its base is not what the task asked about.
    #[error(
        "SEAL_BROKEN: {session}: it, or its base, has changed since its task asked; its gates look again, and then it asks again"
    )]
    Moved {
        /// The session.
        session: String,
    },
    /// Another process serves this home.
    #[error("SERVED: process {pid} serves this home already; `brio serve --stop` ends it")]
    Served {
        /// The process.
        pid: String,
    },
    /// There is a server, and it does not answer.
    #[error(
        "SERVER_SILENT: the process that serves this home does not answer: {source}; see whether it hangs, or end it"
    )]
    Unheard {
        /// Why.
        source: io::Error,
    },
    /// The host failed.
    #[error("IO: {what}: {source}")]
    Host {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl SuperviseError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &str {
        match self {
            Self::Queue(e) => e.code(),
            Self::Index(e) => e.code(),
            Self::Submit(e) => e.code(),
            Self::Unknown { .. } => "TASK_UNKNOWN",
            Self::Find(e) => e.code(),
            Self::Seal(problem) => &problem.code,
            Self::NotWaiting { .. } => "NOT_WAITING",
            Self::Moved { .. } => "SEAL_BROKEN",
            Self::Served { .. } => "SERVED",
            Self::Unheard { .. } => "SERVER_SILENT",
            Self::Host { .. } => "IO",
        }
    }
}

#[cfg(unix)]
pub use control::{Health, ServerState, Subscription, Update};
pub use prune::Pruned;
pub use start::{Events, TaskRun};

type Result<T> = std::result::Result<T, SuperviseError>;

impl Brio {
    /// The tasks of this home. `caller_env` is the environment of whoever works on them, by which
    /// commands find their toolchains: see [`ExecRequest::caller_env`](crate::ExecRequest).
    ///
    /// # Errors
    /// When the queue cannot be opened.
    pub fn supervisor(&self, caller_env: Vec<(OsString, OsString)>) -> Result<Supervisor> {
        let queue = Arc::new(Queue::open(&self.home().join("queue.db"))?);
        let runner = Arc::new(HostRunner {
            brio: self.clone(),
            caller_env,
            logs: Logs(self.home().join("tasks")),
            open: Mutex::default(),
            left: Mutex::default(),
        });
        Ok(Supervisor { brio: self.clone(), queue, runner, nfs: Arc::default() })
    }
}

impl Supervisor {
    /// Whose tasks these are.
    pub fn brio(&self) -> &Brio {
        &self.brio
    }

    /// Has [`health`](Self::health) say where this process, which serves the home, exports sessions
    /// by NFS.
    pub fn announce_nfs(&self, address: SocketAddr) {
        let _ = self.nfs.set(address);
    }

    /// Puts a task into the queue; its id. Durable when it returns.
    ///
    /// # Errors
    /// Nothing of it is in the queue.
    pub fn submit(&self, task: &Task) -> Result<String> {
        let id = crate::run::new_task_id();
        self.submit_as(&id, task)?;
        Ok(id)
    }

    /// As [`submit`](Self::submit), under an id of the caller's, `task-…`, unique for ever. False:
    /// it was submitted before, and nothing is done.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_as(&self, id: &str, task: &Task) -> Result<bool> {
        network::check(task)?;
        Ok(brio_supervisor::submit(&self.queue, &*self.runner, id, task, self.now())?)
    }

    /// Works on the queue until the engine is stopped, or what it was to work on has ended.
    ///
    /// # Errors
    /// When this process cannot say that it does.
    pub fn work(&self, options: WorkOptions) -> Result<Engine> {
        let brio = self.brio.clone();
        brio.make_workers();
        let options = Options {
            jobs: options.jobs,
            only: options.only,
            now: Arc::new(move || crate::listing::millis(brio.now())),
            events: crate::observe::counting(self.brio.clone(), options.events),
        };
        let owners = self.brio.home().join("owners");
        Engine::start(self.queue.clone(), self.runner.clone(), &owners, options)
            .map_err(|source| SuperviseError::Host { what: "owning jobs", source })
    }

    /// The job of this id, or of the one that begins with it.
    ///
    /// # Errors
    /// `Unknown`, and the queue's.
    pub fn job(&self, prefix: &str) -> Result<Job> {
        let unknown = || SuperviseError::Unknown { id: prefix.to_owned() };
        self.queue.find(prefix)?.ok_or_else(unknown)
    }

    /// The jobs that have not ended, or all, in the order in which they were submitted.
    ///
    /// # Errors
    /// The queue's.
    pub fn jobs(&self, ended: bool) -> Result<Vec<Job>> {
        Ok(self.queue.jobs(ended)?)
    }

    /// How many jobs are where, of those that have not ended.
    ///
    /// # Errors
    /// The queue's.
    pub fn job_counts(&self) -> Result<JobCounts> {
        Ok(self.queue.counts()?)
    }

    /// How many sessions are in each state, of those that have not ended, as the index knows
    /// them: no domain is asked.
    ///
    /// # Errors
    /// The index's.
    pub fn session_counts(&self) -> Result<Vec<(String, u64)>> {
        Ok(self.brio.registry().count_by_state()?)
    }

    /// Asks for the end of a job, and of its children. False: it had ended.
    ///
    /// # Errors
    /// The queue's.
    pub fn cancel(&self, id: &str) -> Result<bool> {
        Ok(!self.queue.cancel(id)?.is_empty())
    }

    /// Waits until a job has ended, or waits for a person (or all that is left of its group does),
    /// or `stop` says so: then there is no outcome.
    ///
    /// # Errors
    /// `Unknown`, and the queue's.
    pub fn wait(&self, id: &str, stop: &StopToken) -> Result<Option<Outcome>> {
        loop {
            let job = self.job(id)?;
            if job.state == JobState::Done {
                return Ok(outcome(&job));
            }
            if stop.is_stopped() {
                return Ok(None);
            }
            if !self.queue.is_open(&job.submission)? {
                // It may have ended since it was read.
                let job = self.job(id)?;
                return Ok(if job.state == JobState::Done { outcome(&job) } else { None });
            }
            std::thread::sleep(WAIT_POLL);
        }
    }

    /// Has a job that waits for a decision about a session look at it again: somebody has landed
    /// it or rolled it back by hand. False: none waits for it.
    ///
    /// # Errors
    /// The queue's.
    pub fn look_again(&self, session: &str) -> Result<bool> {
        Ok(self.queue.look_again(session)?)
    }

    /// Says what a person thinks of the session that a job waits for, as it is now.
    ///
    /// # Errors
    /// `NotWaiting`; `Moved` when the session, or its base, has changed since the job asked: it
    /// asks again, about what is there then.
    pub fn decide(&self, session: &str, approved: bool, comment: &str, author: &str) -> Result<()> {
        let handle = self.brio.find(session, None)?;
        let session = handle.id().to_string();
        let Some(asked) = self.queue.asked(&session)? else {
            return Err(SuperviseError::NotWaiting { session });
        };
        let seal = match self.runner.seal(&session) {
            Err(problem) if problem.kind == ProblemKind::SealBroken => {
                self.queue.look_again(&session)?;
                return Err(SuperviseError::Moved { session });
            }
            seal => seal?,
        };
        // Somebody worked in it since: what was looked at may have been either.
        if seal != asked {
            self.queue.look_again(&session)?;
            return Err(SuperviseError::Moved { session });
        }
        let decision = Decision {
            session,
            seal,
            approved,
            comment: comment.to_owned(),
            author: author.to_owned(),
            at: self.now(),
        };
        let title = if approved { "approved" } else { "rejected" };
        let said = brio_landing::Decision {
            title: title.to_owned(),
            why: comment.to_owned(),
            ..brio_landing::Decision::default()
        };
        // In the journal first: what lands at once is to be found by it. The queue decides.
        let note = |said| {
            if let Err(error) = handle.decide(author, said) {
                tracing::warn!(session = %handle.id(), %error, "not in the journal");
            }
        };
        note(&said);
        if !self.queue.decide(&decision)? {
            note(&brio_landing::Decision {
                title: format!("not {title}"),
                why: "nobody asked any more".to_owned(),
                ..brio_landing::Decision::default()
            });
            return Err(SuperviseError::NotWaiting { session: decision.session });
        }
        Ok(())
    }

    /// What the parts of a job printed, a line each with the part's name before it.
    pub fn log(&self, id: &str) -> PathBuf {
        self.runner.logs.path(id)
    }

    fn now(&self) -> i64 {
        crate::listing::millis(self.brio.now())
    }
}

/// How a job ended; `None`: it has not, or another version of Brio wrote it.
pub fn outcome(job: &Job) -> Option<Outcome> {
    serde_json::from_str(job.outcome.as_deref()?).ok()
}
