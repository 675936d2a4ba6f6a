//! What is known about a session: its state, its changes, its metadata.
//!
//! The id of the agent's own session is [`crate::TaskContext::session_id`].

use std::path::PathBuf;

use crate::AgentError;
use crate::bindings::common::brio::core::session as wire;

/// The state of a session.
///
/// ```no_run
/// # let id = "sess-0";
/// let status = brio_agent::session::status(id)?;
/// println!("looks at landing {}", status.base_landing);
/// # Ok::<(), brio_agent::session::SessionError>(())
/// ```
pub fn status(id: &str) -> Result<Status, SessionError> {
    Ok(wire::status(id)?.into())
}

/// What the session changed so far, sorted by path.
///
/// ```no_run
/// # let id = "sess-0";
/// for change in brio_agent::session::changes(id)? {
///     println!("{change}");
/// }
/// # Ok::<(), brio_agent::session::SessionError>(())
/// ```
pub fn changes(id: &str) -> Result<Vec<Change>, SessionError> {
    Ok(wire::change_set(id)?.into_iter().map(Into::into).collect())
}

/// What was recorded about the session when it began.
///
/// ```no_run
/// # let id = "sess-0";
/// println!("goal: {}", brio_agent::session::metadata(id)?.goal);
/// # Ok::<(), brio_agent::session::SessionError>(())
/// ```
pub fn metadata(id: &str) -> Result<Metadata, SessionError> {
    Ok(wire::metadata(id)?.into())
}

/// A session at one moment.
///
/// ```no_run
/// # use brio_agent::session::{State, status};
/// # let id = "sess-0";
/// let now = status(id)?;
/// assert!(now.state == State::Open && now.open_children.is_empty());
/// # Ok::<(), brio_agent::session::SessionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where it is in its life.
    pub state: State,
    /// The session it lands in; `None` when that is the base.
    pub parent: Option<String>,
    /// Its open children, oldest first.
    pub open_children: Vec<String>,
    /// The number of the last landing of the base that it sees.
    pub base_landing: u64,
}

/// Where a session is in its life.
///
/// ```
/// use brio_agent::session::State;
/// assert_eq!(State::RolledBack.to_string(), "rolled-back");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can be read, written, committed and rolled back.
    Open,
    /// A commit is under way.
    Committing,
    /// A commit met a conflict; it can still be edited.
    Conflicted,
    /// Its changes are in its parent or base.
    Landed,
    /// Its changes are gone.
    RolledBack,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Committing => "committing",
            Self::Conflicted => "conflicted",
            Self::Landed => "landed",
            Self::RolledBack => "rolled-back",
        })
    }
}

/// One changed path. It is shown as `git diff --name-status` shows it.
///
/// ```
/// use brio_agent::session::{Change, ChangeKind, ChangedType};
///
/// let change = Change {
///     path: "src/new.rs".into(),
///     kind: ChangeKind::Added,
///     changed_type: ChangedType::File,
///     size: 12,
/// };
/// assert_eq!(change.to_string(), "A\tsrc/new.rs");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path relative to the session's root.
    pub path: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// What it is, or was.
    pub changed_type: ChangedType,
    /// Its size now, in bytes; 0 for a directory and for what was removed.
    pub size: u64,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letter = match self.kind {
            ChangeKind::Added => 'A',
            ChangeKind::Modified => 'M',
            ChangeKind::Removed => 'D',
        };
        write!(f, "{letter}\t{}", self.path)
    }
}

/// What happened to a path.
///
/// ```
/// use brio_agent::session::ChangeKind;
/// assert_ne!(ChangeKind::Added, ChangeKind::Removed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// Its content, mode or type is another.
    Modified,
    /// It is gone.
    Removed,
}

/// What a changed path is.
///
/// ```
/// use brio_agent::session::ChangedType;
/// assert_ne!(ChangedType::File, ChangedType::Directory);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// What was recorded about a session when it began.
///
/// ```no_run
/// # let id = "sess-0";
/// let about = brio_agent::session::metadata(id)?;
/// println!("{} began at {} ms", about.session_id, about.created_at_ms);
/// # Ok::<(), brio_agent::session::SessionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Its id, `sess-<uuid>`.
    pub session_id: String,
    /// What it is for; may be empty.
    pub goal: String,
    /// The agent that works in it.
    pub agent: Option<String>,
    /// The task it serves.
    pub task_id: Option<String>,
    /// When it began, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// Where its files are in this view; `None` once it has ended.
    pub path: Option<PathBuf>,
}

/// Why nothing could be told about a session.
///
/// ```
/// use brio_agent::session::SessionError;
/// let error = SessionError::Unknown("sess-0".into());
/// assert_eq!(error.to_string(), "sess-0: no such session, or not one of this agent");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// No session has this id, or it is none of the agent's.
    Unknown(String),
    /// It has ended.
    Ended(String),
    /// The frozen base it looks at is no longer kept.
    SnapshotGone(String),
    /// The host could not read its state.
    Failed {
        /// The session.
        session_id: String,
        /// What happened.
        message: String,
    },
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "{id}: no such session, or not one of this agent"),
            Self::Ended(id) => write!(f, "{id}: the session has ended"),
            Self::SnapshotGone(id) => write!(f, "{id}: the base it looks at is no longer kept"),
            Self::Failed { session_id, message } => write!(f, "{session_id}: {message}"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<SessionError> for AgentError {
    fn from(error: SessionError) -> Self {
        Self::Failed(error.to_string())
    }
}
