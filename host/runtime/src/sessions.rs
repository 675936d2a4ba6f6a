//! What a host must offer so that guests can work with sessions.

use std::fmt;

use brio_session::{ChangeSet, RelPath};
use serde::{Deserialize, Serialize};

use crate::fs::Files;

/// The sessions of one run: its own and those that it begins. Implemented by the embedding
/// host over the landing core; every call is synchronous and runs to its end even when the
/// run is killed meanwhile.
pub trait Sessions: Send + Sync {
    /// Begins a session on the directory `path` of the run's own session, or of the child
    /// `parent`. The path was resolved in that view and is a directory there.
    ///
    /// # Errors
    /// `BASE_INVALID`, `NOT_PERMITTED`, `LIMIT`, `SESSION_ENDED`, `IO`.
    fn begin(&self, parent: Option<&str>, path: &RelPath)
    -> Result<(String, Files), SessionsError>;

    /// Lands a child in what it was begun on, wholly or not at all.
    ///
    /// # Errors
    /// `CONFLICT`, `SESSION_BUSY`, `SESSION_ENDED`, `LIMIT`, `SNAPSHOT_GONE`, `IO`.
    fn commit(&self, id: &str) -> Result<(), SessionsError>;

    /// Throws a child away, its own children with it.
    ///
    /// # Errors
    /// `SESSION_ENDED`, `IO`.
    fn rollback(&self, id: &str) -> Result<(), SessionsError>;

    /// Where a session is in its life; also of ended ones.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`, `IO`.
    fn status(&self, id: &str) -> Result<SessionStatus, SessionsError>;

    /// What a session changed.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`, `SESSION_ENDED`, `SNAPSHOT_GONE`, `IO`.
    fn changes(&self, id: &str) -> Result<ChangeSet, SessionsError>;

    /// What was said about a session when it began; also of ended ones.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`, `IO`.
    fn metadata(&self, id: &str) -> Result<SessionMetadata, SessionsError>;

    /// Remembers the state of the run's own session or of a child under a name, durably.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`, `SESSION_ENDED`, `CHECKPOINT_NAME`, `CHECKPOINT_EXISTS`, `LIMIT`, `IO`.
    fn checkpoint(&self, id: &str, name: &str) -> Result<SessionCheckpoint, SessionsError>;

    /// Puts it back to a checkpoint: its views show that state when this returns.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`, `SESSION_ENDED`, `CHECKPOINT_UNKNOWN`, `SESSION_BUSY`,
    /// `SNAPSHOT_GONE`, `LIMIT`, `IO`.
    fn restore(&self, id: &str, name: &str) -> Result<SessionCheckpoint, SessionsError>;

    /// Its checkpoints, oldest first.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`, `SESSION_ENDED`, `IO`.
    fn checkpoints(&self, id: &str) -> Result<Vec<SessionCheckpoint>, SessionsError>;

    /// Writes to the journal what the agent said in the run's own session or in a child. A host
    /// that keeps no journal leaves this as it is.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`, `SESSION_ENDED`, `JOURNAL_TEXT`, `LIMIT`, `NOT_PERMITTED`, `IO`.
    fn say(&self, id: &str, text: &str) -> Result<(), SessionsError> {
        let _ = (id, text);
        Err(no_journal())
    }

    /// Writes to the journal what the agent decided. As [`say`](Self::say).
    ///
    /// # Errors
    /// As [`say`](Self::say).
    fn decide(&self, id: &str, decision: &SessionDecision) -> Result<(), SessionsError> {
        let _ = (id, decision);
        Err(no_journal())
    }
}

fn no_journal() -> SessionsError {
    SessionsError::new(SessionsCode::NotPermitted, "this host keeps no journal")
}

/// What went wrong, by the codes of `wit/session-fs.wit` and the cases of `checkpoint-error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SessionsCode {
    /// The parent or base changed on the same paths.
    Conflict,
    /// No such session, or none of the caller's.
    Unknown,
    /// It has been landed or rolled back.
    Ended,
    /// It has an open child or a live run.
    Busy,
    /// The path is missing, no directory, or outside of the view.
    BaseInvalid,
    /// Not granted, or read-only.
    NotPermitted,
    /// A limit forbids it.
    Limit,
    /// The frozen base is no longer kept.
    SnapshotGone,
    /// No name for a checkpoint.
    CheckpointName,
    /// The session has a checkpoint of this name.
    CheckpointExists,
    /// The session has no checkpoint of this name.
    CheckpointUnknown,
    /// A line for the journal says nothing.
    JournalText,
    /// The host failed; nothing was changed.
    Io,
}

impl SessionsCode {
    /// As it stands in the text that a guest gets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "CONFLICT",
            Self::Unknown => "SESSION_UNKNOWN",
            Self::Ended => "SESSION_ENDED",
            Self::Busy => "SESSION_BUSY",
            Self::BaseInvalid => "BASE_INVALID",
            Self::NotPermitted => "NOT_PERMITTED",
            Self::Limit => "LIMIT",
            Self::SnapshotGone => "SNAPSHOT_GONE",
            Self::CheckpointName => "CHECKPOINT_NAME",
            Self::CheckpointExists => "CHECKPOINT_EXISTS",
            Self::CheckpointUnknown => "CHECKPOINT_UNKNOWN",
            Self::JournalText => "JOURNAL_TEXT",
            Self::Io => "IO",
        }
    }
}

/// An error of [`Sessions`]; shown as `CODE: message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsError {
    /// What a program matches on.
    pub code: SessionsCode,
    /// For a person; names the paths of a conflict.
    pub message: String,
}

impl SessionsError {
    /// An error with this message. A code at its beginning, as errors of the landing core
    /// have it, is not said twice.
    pub fn new(code: SessionsCode, message: impl Into<String>) -> Self {
        let message = message.into();
        let bare = message.strip_prefix(code.as_str()).and_then(|m| m.strip_prefix(": "));
        Self { code, message: bare.map(str::to_owned).unwrap_or(message) }
    }
}

impl fmt::Display for SessionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for SessionsError {}

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionState {
    /// It can be read, written, committed and rolled back.
    Open,
    /// A commit is under way.
    Committing,
    /// A commit met a conflict and changed nothing.
    Conflicted,
    /// Its changes are in its parent or base.
    Landed,
    /// Its changes are gone.
    RolledBack,
}

/// A session at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Where it is in its life.
    pub state: SessionState,
    /// What it lands in; `None`: the base.
    pub parent: Option<String>,
    /// Children that are open, oldest first.
    pub open_children: Vec<String>,
    /// The landing of the base that it looks at.
    pub base_landing: u64,
}

/// What was said about a session when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMetadata {
    /// What it is for; may be empty.
    pub goal: String,
    /// Who works in it.
    pub agent: Option<String>,
    /// The task it serves.
    pub task_id: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: u64,
}

/// A state that a session can be put back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCheckpoint {
    /// Its name, unique in the session.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at: u64,
    /// The landing of the base that the session looked at then.
    pub base_landing: u64,
}

/// What an agent decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDecision {
    /// What, in a few words.
    pub title: String,
    /// Why.
    pub why: String,
    /// What else could have been done.
    pub alternatives: Vec<String>,
}
