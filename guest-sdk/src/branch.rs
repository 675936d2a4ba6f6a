//! Sessions of the agent's own, inside the one it was given (feature `session-fs`).
//!
//! The run must be granted it: `brio run AGENT --grant session-fs`.
//!
//! ```no_run
//! use brio_agent::{AgentError, AtPath, Session};
//!
//! fn try_it() -> Result<(), AgentError> {
//!     let attempt = Session::begin("/workspace")?;
//!     let file = attempt.path().join("notes.txt");
//!     std::fs::write(&file, "an idea\n").at(&file)?; // an error here rolls the attempt back
//!     attempt.commit()?;
//!     Ok(())
//! }
//! ```

use std::path::{Path, PathBuf};

use crate::AgentError;
use crate::bindings::branches::brio::core::session_fs as wire;
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::session::{Change, SessionError, Status, changes, status};

/// A session that this agent began. Dropped without a commit, it is rolled back.
///
/// ```no_run
/// # use brio_agent::{AgentError, Session};
/// # fn run() -> Result<(), AgentError> {
/// let attempt = Session::begin("/workspace/src")?;
/// println!("{} is at {}", attempt.id(), attempt.path().display());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Session {
    id: String,
    path: PathBuf,
    ended: bool,
}

impl Session {
    /// Begins a session on a directory of the agent's view. Nothing is copied.
    ///
    /// ```no_run
    /// # use brio_agent::Session;
    /// let parent = Session::begin("/workspace")?;
    /// let child = Session::begin(parent.path())?; // to any depth
    /// # Ok::<(), brio_agent::branch::BranchError>(())
    /// ```
    pub fn begin(base: impl AsRef<Path>) -> Result<Self, BranchError> {
        let id = wire::begin_session(&base.as_ref().to_string_lossy())?;
        let mut session = Self { id, path: PathBuf::new(), ended: false };
        session.path = wire::get_session_path(&session.id)?.into();
        Ok(session)
    }

    /// Its id, `sess-<uuid>`.
    ///
    /// ```no_run
    /// # use brio_agent::Session;
    /// let session = Session::begin("/workspace")?;
    /// assert!(session.id().starts_with("sess-"));
    /// # Ok::<(), brio_agent::branch::BranchError>(())
    /// ```
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its files are, for `std::fs`.
    ///
    /// ```no_run
    /// # use brio_agent::{AgentError, AtPath, Session};
    /// # fn run(session: Session) -> Result<(), AgentError> {
    /// let file = session.path().join("a.txt");
    /// std::fs::write(&file, "a").at(&file)?;
    /// # Ok(()) }
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its state.
    ///
    /// ```no_run
    /// # use brio_agent::{AgentError, Session};
    /// # fn run(session: Session) -> Result<(), AgentError> {
    /// let children = session.status()?.open_children;
    /// # Ok(()) }
    /// ```
    pub fn status(&self) -> Result<Status, SessionError> {
        status(&self.id)
    }

    /// What it changed so far.
    ///
    /// ```no_run
    /// # use brio_agent::{AgentError, Session};
    /// # fn run(session: Session) -> Result<(), AgentError> {
    /// let touched = session.changes()?.len();
    /// # Ok(()) }
    /// ```
    pub fn changes(&self) -> Result<Vec<Change>, SessionError> {
        changes(&self.id)
    }

    /// Remembers its state under a name that is new in it; see [`crate::checkpoint`].
    ///
    /// ```no_run
    /// # use brio_agent::{AgentError, Session};
    /// # fn run(session: Session) -> Result<(), AgentError> {
    /// session.checkpoint("tests-pass")?;
    /// # Ok(()) }
    /// ```
    pub fn checkpoint(&self, name: &str) -> Result<Checkpoint, CheckpointError> {
        checkpoint::make(&self.id, name)
    }

    /// Puts it back to a checkpoint. Files of it that are open answer errors from here on.
    ///
    /// ```no_run
    /// # use brio_agent::{AgentError, Session};
    /// # fn run(session: Session) -> Result<(), AgentError> {
    /// session.restore("tests-pass")?;
    /// session.restore(brio_agent::checkpoint::BEFORE_RESTORE)?; // rather not
    /// # Ok(()) }
    /// ```
    pub fn restore(&self, name: &str) -> Result<Checkpoint, CheckpointError> {
        checkpoint::restore(&self.id, name)
    }

    /// Its checkpoints, oldest first.
    ///
    /// ```no_run
    /// # use brio_agent::{AgentError, Session};
    /// # fn run(session: Session) -> Result<(), AgentError> {
    /// let names: Vec<String> = session.checkpoints()?.into_iter().map(|c| c.name).collect();
    /// # Ok(()) }
    /// ```
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>, CheckpointError> {
        checkpoint::list(&self.id)
    }

    /// Lands it in what it was begun on: all of it or nothing.
    ///
    /// When that fails nothing was changed, the session is still open, and the error holds it: look
    /// at it, change it, commit again, or drop it to roll back, as `?` does.
    ///
    /// ```no_run
    /// # use brio_agent::{AgentError, Session};
    /// # fn run(session: Session) -> Result<(), AgentError> {
    /// if let Err(failed) = session.commit() {
    ///     eprintln!("{}", failed.error);
    ///     failed.session.rollback()?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn commit(mut self) -> Result<(), CommitError> {
        match wire::commit_session(&self.id) {
            Ok(()) => {
                self.ended = true;
                Ok(())
            }
            Err(text) => Err(CommitError { session: self, error: text.into() }),
        }
    }

    /// Throws it away and reports an error; dropping it does the same and cannot.
    ///
    /// ```no_run
    /// # use brio_agent::Session;
    /// Session::begin("/workspace")?.rollback()?;
    /// # Ok::<(), brio_agent::branch::BranchError>(())
    /// ```
    pub fn rollback(mut self) -> Result<(), BranchError> {
        self.ended = true;
        Ok(wire::rollback_session(&self.id)?)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.ended {
            // A failure leaves the session open; the host rolls it back when the run ends.
            let _ = wire::rollback_session(&self.id);
        }
    }
}

/// An error of `session-fs`: a stable code and text for a person.
///
/// ```
/// use brio_agent::branch::BranchError;
///
/// let error = BranchError::from("CONFLICT: a.txt: changed on both sides".to_owned());
/// assert!(error.is_conflict());
/// assert_eq!(error.code(), "CONFLICT");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchError {
    text: String,
}

impl BranchError {
    /// The code, such as `CONFLICT` or `SESSION_ENDED`; empty if there is none.
    ///
    /// ```
    /// # use brio_agent::branch::BranchError;
    /// assert_eq!(BranchError::from("LIMIT: too many sessions".to_owned()).code(), "LIMIT");
    /// ```
    pub fn code(&self) -> &str {
        self.text.split_once(':').map_or("", |(code, _)| code)
    }

    /// Whether both sides changed the same paths.
    ///
    /// ```
    /// # use brio_agent::branch::BranchError;
    /// assert!(!BranchError::from("IO: no answer".to_owned()).is_conflict());
    /// ```
    pub fn is_conflict(&self) -> bool {
        self.code() == "CONFLICT"
    }
}

impl From<String> for BranchError {
    fn from(text: String) -> Self {
        Self { text }
    }
}

impl std::fmt::Display for BranchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for BranchError {}

impl From<BranchError> for AgentError {
    fn from(error: BranchError) -> Self {
        error.text.into()
    }
}

/// A commit that did not happen, with the session, which is still open.
///
/// ```no_run
/// # use brio_agent::Session;
/// # fn run(session: Session) {
/// match session.commit() {
///     Err(failed) if failed.error.is_conflict() => drop(failed.session),
///     _ => {}
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct CommitError {
    /// The session; dropped, it is rolled back.
    pub session: Session,
    /// What stood in the way.
    pub error: BranchError,
}

impl std::fmt::Display for CommitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for CommitError {}

impl From<CommitError> for AgentError {
    fn from(failed: CommitError) -> Self {
        failed.error.into()
    }
}
