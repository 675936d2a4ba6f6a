//! What a host must offer so that guests can work with the project's record and notes.

use serde::{Deserialize, Serialize};

/// The largest content of a note, in bytes.
pub const MAX_NOTE: usize = 16 << 20;
/// The largest context of an agent as a guest gives it, in bytes.
pub const MAX_CONTEXT: usize = 1 << 20;
/// The longest task or feature, in bytes.
pub const MAX_FIELD: usize = 64 << 10;
/// The most notes that one answer lists.
pub const MAX_LISTED: usize = 100_000;
/// Bytes of contents in one answer about a note's history.
pub const MAX_HISTORY: usize = 64 << 20;

/// The record, the agents' contexts and the notes that one run works with: those of its own
/// session. Implemented by the embedding host, which also bounds what a run writes; every call
/// is synchronous and runs to its end even when the run is killed meanwhile.
///
/// What is given is text of a guest: a path, a name and a JSON may be anything. What is too large
/// by the constants of this module is refused before it comes here.
pub trait Records: Send + Sync {
    /// The record; a new one where there is none.
    ///
    /// # Errors
    /// [`RecordError`].
    fn record(&self) -> Result<ProjectState, RecordError>;

    /// Updates the record, and returns it.
    ///
    /// # Errors
    /// [`RecordError`].
    fn update(&self, update: &StateUpdate) -> Result<ProjectState, RecordError>;

    /// Stores what an agent knows, in place of what it knew before.
    ///
    /// # Errors
    /// [`RecordError`].
    fn save_context(&self, agent: &str, json: &str) -> Result<(), RecordError>;

    /// What an agent knew last.
    ///
    /// # Errors
    /// [`RecordError`], never for a context that is missing.
    fn load_context(&self, agent: &str) -> Result<Option<String>, RecordError>;

    /// A note.
    ///
    /// # Errors
    /// [`RecordError`], never for a note that is missing.
    fn read_note(&self, path: &str) -> Result<Option<ProjectNote>, RecordError>;

    /// Makes or replaces a note; answers its version.
    ///
    /// # Errors
    /// [`RecordError`]: `Changed` where it has another version than `expected`, if that is given.
    fn write_note(
        &self,
        path: &str,
        content: &str,
        expected: Option<u64>,
    ) -> Result<u64, RecordError>;

    /// The notes that fit a pattern, by the bytes of their paths.
    ///
    /// # Errors
    /// [`RecordError`].
    fn list_notes(&self, pattern: &str) -> Result<Vec<NoteEntry>, RecordError>;

    /// Removes a note; answers the version of that, or `None` where there was none.
    ///
    /// # Errors
    /// As [`write_note`](Self::write_note).
    fn remove_note(&self, path: &str, expected: Option<u64>) -> Result<Option<u64>, RecordError>;

    /// The versions of a note, newest first, with at most [`MAX_HISTORY`] bytes of contents.
    ///
    /// # Errors
    /// [`RecordError`].
    fn note_history(&self, path: &str) -> Result<Vec<NoteVersion>, RecordError>;
}

/// What a project is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProjectMode {
    /// Reading, understanding.
    Analysis,
    /// Designing.
    Planning,
    /// Changing code.
    Coding,
    /// No mode is in force.
    Disabled,
}

/// A project's record. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectState {
    /// The mode that it is in.
    pub mode: ProjectMode,
    /// What is being worked on.
    pub task: Option<String>,
    /// The feature that this belongs to.
    pub feature: Option<String>,
    /// Every change of the mode, oldest first, and when.
    pub history: Vec<(ProjectMode, u64)>,
    /// Rises with every update.
    pub version: u64,
    /// When it was made.
    pub created_at: u64,
    /// When it was last updated.
    pub updated_at: u64,
}

/// What to change in a record. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateUpdate {
    /// The new mode.
    pub mode: Option<ProjectMode>,
    /// The new task; an empty text clears it.
    pub task: Option<String>,
    /// The new feature; an empty text clears it.
    pub feature: Option<String>,
}

/// A note as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectNote {
    /// Its content.
    pub content: String,
    /// Its version.
    pub version: u64,
    /// When it was written, in milliseconds since 1970.
    pub at: u64,
}

/// What a listing tells of a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteEntry {
    /// Its path.
    pub path: String,
    /// Its version.
    pub version: u64,
    /// When it was written, in milliseconds since 1970.
    pub at: u64,
}

/// One version of a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteVersion {
    /// Its number.
    pub version: u64,
    /// When it was written, in milliseconds since 1970.
    pub at: u64,
    /// Whose write it was, if that is known.
    pub origin: Option<String>,
    /// What was written; `None` where the note was removed.
    pub content: Option<String>,
}

/// Why nothing is known, or nothing was done: the cases of `record-error` in
/// `wit/project-record.wit`, with their texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The notes cannot be reached. It never means that there is none.
    #[error("{0}")]
    Unavailable(String),
    /// The note has this version, and not the one that was expected.
    #[error("the note has version {0}")]
    Changed(u64),
    /// It names no note, or is no pattern.
    #[error("{0}")]
    InvalidPath(String),
    /// It names no agent.
    #[error("{0}")]
    InvalidAgent(String),
    /// It is no JSON.
    #[error("{0}")]
    InvalidJson(String),
    /// A content is over its bound.
    #[error("{0}")]
    TooLarge(String),
    /// A limit forbids it.
    #[error("{0}")]
    Limit(String),
    /// What is stored cannot be understood.
    #[error("{0}")]
    Corrupt(String),
    /// The run changes nothing.
    #[error("{0}")]
    ReadOnly(String),
    /// The host failed.
    #[error("{0}")]
    Failed(String),
}
