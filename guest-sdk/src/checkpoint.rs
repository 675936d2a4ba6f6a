//! States of a session that it can be put back to (feature `session-fs`).
//!
//! The run must be granted it: `brio run AGENT --grant session-fs`. For a session that the agent
//! began there are methods: [`Session::checkpoint`](crate::Session::checkpoint) and its sisters.
//! For its own session, whose id the task's context has, there are the functions here.
//!
//! ```no_run
//! use brio_agent::{AgentError, AtPath, TaskContext, checkpoint};
//!
//! fn careful(task: &TaskContext) -> Result<(), AgentError> {
//!     let Some(id) = task.session_id() else { return Ok(()) };
//!     checkpoint::make(id, "before-rename")?;
//!     std::fs::rename("old.txt", "new.txt").at("old.txt")?;
//!     if std::fs::read_to_string("new.txt").at("new.txt")?.is_empty() {
//!         checkpoint::restore(id, "before-rename")?; // old.txt is back
//!     }
//!     Ok(())
//! }
//! ```

use crate::AgentError;
use crate::bindings::branches::brio::core::checkpoints as wire;

/// The checkpoint that a restore makes of the state that it leaves; replaced each time.
///
/// ```
/// assert_eq!(brio_agent::checkpoint::BEFORE_RESTORE, "before-restore");
/// ```
pub const BEFORE_RESTORE: &str = "before-restore";

/// Remembers a session's state under a name that is new in it: 1 to 64 ASCII letters, digits, `.`,
/// `_` and `-`. What was written so far is durable when it returns; files stay open.
///
/// ```no_run
/// # let id = "sess-0";
/// let made = brio_agent::checkpoint::make(id, "step-1")?;
/// println!("{} is kept", made.name);
/// # Ok::<(), brio_agent::checkpoint::CheckpointError>(())
/// ```
pub fn make(id: &str, name: &str) -> Result<Checkpoint, CheckpointError> {
    Ok(wire::checkpoint(id, name)?.into())
}

/// Puts a session back to a checkpoint. Every path shows that state at once; files that are open
/// answer errors. The state that it leaves becomes the checkpoint [`BEFORE_RESTORE`].
///
/// ```no_run
/// # let id = "sess-0";
/// brio_agent::checkpoint::restore(id, "step-1")?;
/// # Ok::<(), brio_agent::checkpoint::CheckpointError>(())
/// ```
pub fn restore(id: &str, name: &str) -> Result<Checkpoint, CheckpointError> {
    Ok(wire::restore(id, name)?.into())
}

/// A session's checkpoints, oldest first.
///
/// ```no_run
/// # let id = "sess-0";
/// for checkpoint in brio_agent::checkpoint::list(id)? {
///     println!("{}", checkpoint.name);
/// }
/// # Ok::<(), brio_agent::checkpoint::CheckpointError>(())
/// ```
pub fn list(id: &str) -> Result<Vec<Checkpoint>, CheckpointError> {
    Ok(wire::checkpoints(id)?.into_iter().map(Into::into).collect())
}

/// A state that a session can be put back to.
///
/// ```no_run
/// # let id = "sess-0";
/// let newest = brio_agent::checkpoint::list(id)?.pop();
/// println!("made at {:?} ms", newest.map(|c| c.created_at_ms));
/// # Ok::<(), brio_agent::checkpoint::CheckpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name, unique in the session.
    pub name: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// The number of the last landing of the base that the session saw then.
    pub base_landing: u64,
}

/// Why a checkpoint could not be made or come back to. The session is what it was.
///
/// ```
/// use brio_agent::checkpoint::CheckpointError;
/// let error = CheckpointError::NoSuchCheckpoint("step-1".into());
/// assert_eq!(error.to_string(), "step-1: the session has no checkpoint of this name");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointError {
    /// No session has this id, or it is none of the agent's.
    Unknown(String),
    /// The session of this id has ended.
    Ended(String),
    /// This is no name for a checkpoint.
    InvalidName(String),
    /// The session has a checkpoint of this name.
    Exists(String),
    /// The session has no checkpoint of this name.
    NoSuchCheckpoint(String),
    /// Open sessions stand in the way; the text names them.
    Busy(String),
    /// A limit forbids it; the text says which.
    Limit(String),
    /// What the base held when the checkpoint was made is no longer kept.
    SnapshotGone(String),
    /// The host could not do it.
    Failed(String),
}

impl std::fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "{id}: no such session, or not one of this agent"),
            Self::Ended(id) => write!(f, "{id}: the session has ended"),
            Self::InvalidName(name) => write!(f, "{name:?}: no name for a checkpoint"),
            Self::Exists(name) => write!(f, "{name}: the session has a checkpoint of this name"),
            Self::NoSuchCheckpoint(name) => {
                write!(f, "{name}: the session has no checkpoint of this name")
            }
            Self::Busy(text)
            | Self::Limit(text)
            | Self::SnapshotGone(text)
            | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for CheckpointError {}

impl From<CheckpointError> for AgentError {
    fn from(error: CheckpointError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<wire::CheckpointInfo> for Checkpoint {
    fn from(c: wire::CheckpointInfo) -> Self {
        Self { name: c.name, created_at_ms: c.created_at, base_landing: c.base_landing }
    }
}

impl From<wire::CheckpointError> for CheckpointError {
    fn from(e: wire::CheckpointError) -> Self {
        use wire::CheckpointError as E;
        match e {
            E::Unknown(id) => Self::Unknown(id),
            E::Ended(id) => Self::Ended(id),
            E::InvalidName(name) => Self::InvalidName(name),
            E::Exists(name) => Self::Exists(name),
            E::NoSuchCheckpoint(name) => Self::NoSuchCheckpoint(name),
            E::Busy(text) => Self::Busy(text),
            E::Limit(text) => Self::Limit(text),
            E::SnapshotGone(text) => Self::SnapshotGone(text),
            E::Failed(text) => Self::Failed(text),
        }
    }
}
