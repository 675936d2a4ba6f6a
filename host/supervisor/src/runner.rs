//! What the engine has done by others: sessions and runs.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::{Base, Kind, Landing, Limits, StepKind, Stop};

/// Makes sessions and runs. A session is named by its id.
///
/// Calls block. Each may be cut short by the end of the process, and is then not made again with
/// the same arguments before [`standing`](Self::standing) was asked.
pub trait Runner: Send + Sync + 'static {
    /// The directory of a job's base; a sample is made there when it is not there yet.
    ///
    /// # Errors
    /// [`Problem`]; so of all that follow.
    fn place(&self, job: &str, base: &Base) -> Result<PathBuf, Problem>;

    /// Begins a session, which carries the label in its metadata.
    ///
    /// # Errors
    /// Nothing was begun.
    fn begin(&self, begin: &Begin<'_>) -> Result<String, Problem>;

    /// Runs something. What a branch was begun for is gone when it returns.
    fn run(&self, run: &Run<'_>, stop: &Stop) -> Report;

    /// What a session would land, on what it stands: two that are equal land the same.
    ///
    /// # Errors
    /// `SealBroken` when it does not stand on what is there now: it has to be rebased.
    fn seal(&self, session: &str) -> Result<String, Problem>;

    /// Puts a session on what is there now.
    ///
    /// # Errors
    /// `Conflict`: it is as it was.
    fn rebase(&self, session: &str, landing: &Landing) -> Result<(), Problem>;

    /// Lands a session, if it is still what the seal says. The landing of the base, if it made
    /// one.
    ///
    /// # Errors
    /// `SealBroken`, `Conflict`, `Refused`: it is open, and nothing has landed.
    fn commit(&self, commit: &Commit<'_>) -> Result<Option<u64>, Problem>;

    /// Rolls a session back with its branches; one that has ended is none.
    ///
    /// # Errors
    /// It is still open.
    fn rollback(&self, session: &str) -> Result<(), Problem>;

    /// Rolls back the branches of a session, which a process that died may have left.
    ///
    /// # Errors
    /// Some are still open.
    fn prune(&self, session: &str) -> Result<(), Problem>;

    /// Rolls back the branches of a base that runs of a job began, and a process that died may
    /// have left.
    ///
    /// # Errors
    /// Some are still open.
    fn sweep(&self, base: &Path, job: &str) -> Result<(), Problem>;

    /// What became of the session that was begun with a label, or was about to be.
    ///
    /// # Errors
    /// It cannot be told now.
    fn standing(&self, base: &Path, label: &str) -> Result<Standing, Problem>;
}

/// On what something works.
#[derive(Debug, Clone, Copy)]
pub enum On<'a> {
    /// A directory.
    Base(&'a Path),
    /// A session.
    Session(&'a str),
}

/// A session that is to be begun.
#[derive(Debug)]
pub struct Begin<'a> {
    /// What it branches.
    pub on: On<'a>,
    /// Names the attempt that it is for.
    pub label: &'a str,
    /// What it is for.
    pub goal: Option<&'a str>,
    /// Who works there, for its metadata.
    pub name: &'a str,
    /// How it is begun.
    pub landing: &'a Landing,
}

/// Something that is to be run.
#[derive(Debug)]
pub struct Run<'a> {
    /// The job that it is for: its output is the job's log.
    pub job: &'a str,
    /// Names it in the log.
    pub part: &'a str,
    /// Where. On a base, and in a session when `branch` says so, it works in a branch that is
    /// thrown away.
    pub on: On<'a>,
    /// See `on`.
    pub branch: bool,
    /// What is run; its text is filled in.
    pub what: &'a StepKind,
    /// More variables of a command's environment.
    pub env: &'a [(String, String)],
    /// What it may use.
    pub limits: Limits,
}

/// A session that is to land.
#[derive(Debug)]
pub struct Commit<'a> {
    /// Which.
    pub session: &'a str,
    /// How.
    pub landing: &'a Landing,
    /// The landing's message, if `landing` has none.
    pub goal: Option<&'a str>,
    /// Only as this says.
    pub seal: Option<&'a str>,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// `None`: it did what it was there for; a reviewer approved.
    pub failed: Option<Kind>,
    /// The stable code of what went wrong.
    pub code: Option<String>,
    /// Its summary, its comments, the end of its output.
    pub message: String,
    /// Its figures.
    pub metrics: Vec<(String, f64)>,
}

impl Report {
    /// A run that failed. The message is the error's text, without the code if it begins with it.
    pub fn failed(kind: Kind, code: &str, error: impl Display) -> Self {
        let message = without_code(error, code);
        Self { failed: Some(kind), code: Some(code.to_owned()), message, metrics: Vec::new() }
    }
}

impl From<Problem> for Report {
    /// A run that could not be made.
    fn from(problem: Problem) -> Self {
        Self {
            failed: Some(problem.kind.end()),
            code: Some(problem.code),
            message: problem.message,
            metrics: Vec::new(),
        }
    }
}

/// Why something about a session could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Problem {
    /// What the engine makes of it.
    pub kind: ProblemKind,
    /// A stable code.
    pub code: String,
    /// For a person, without the code.
    pub message: String,
}

impl Problem {
    /// The message is the error's text, without the code if it begins with it.
    pub fn new(kind: ProblemKind, code: &str, error: impl Display) -> Self {
        Self { kind, code: code.to_owned(), message: without_code(error, code) }
    }
}

fn without_code(error: impl Display, code: &str) -> String {
    let text = error.to_string();
    let message = text.strip_prefix(code).and_then(|rest| rest.strip_prefix(": "));
    message.unwrap_or(&text).to_owned()
}

/// What the engine makes of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// Others changed the same.
    Conflict,
    /// What is there now, or the session, is not what the seal says.
    SealBroken,
    /// It cannot be done now; another attempt may succeed.
    Refused,
    /// It cannot be done at all.
    Unusable,
}

impl ProblemKind {
    pub(crate) fn end(self) -> Kind {
        match self {
            Self::Conflict => Kind::Conflict,
            Self::SealBroken | Self::Refused => Kind::Refused,
            Self::Unusable => Kind::Unusable,
        }
    }
}

/// What became of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none: it was never begun, or was rolled back.
    None,
    /// It is open.
    Open(String),
    /// It landed; on the base, as this landing, unless it had changed nothing.
    Landed(Option<u64>),
}
