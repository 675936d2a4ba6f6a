//! What a migration did, a line for each step.

use std::fmt;

use crate::{NotePath, Timestamp};

/// How to migrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MigrateOptions {
    /// Tell what would be done, and change nothing.
    pub dry_run: bool,
}

/// What a migration did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Each step, in order.
    pub steps: Vec<Step>,
    /// How many sessions could have become the record.
    pub candidates: usize,
    /// How many notes were corrupted or deleted, and stay as they are.
    pub skipped: usize,
    /// The session that was chosen.
    pub winner: Option<Winner>,
    /// How many agents' contexts were moved.
    pub contexts: usize,
    /// What became of the record; `None` without a winner.
    pub record: Option<RecordStep>,
    /// How many old notes became tombstones.
    pub archived: usize,
}

/// The session that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winner {
    /// Its id.
    pub id: String,
    /// Why it.
    pub by: By,
    /// When it was last updated.
    pub updated_at: Timestamp,
}

/// Why a session was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The pointer named it.
    Pointer,
    /// It was updated last; of equals it is the first by its id.
    Newest,
}

/// What became of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordStep {
    /// The winner became the record.
    Written {
        /// The record's version.
        version: u64,
    },
    /// There was one already in which something had happened; it stays.
    Kept {
        /// The record's version.
        version: u64,
    },
}

/// One step. It is shown as a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// There is nothing to migrate.
    Nothing,
    /// A session was found.
    Found {
        /// Its note.
        path: NotePath,
        /// When it was last updated.
        updated_at: Timestamp,
    },
    /// A note was corrupted or deleted; it stays as it is.
    Skipped {
        /// The note.
        path: NotePath,
        /// What is wrong with it.
        why: String,
    },
    /// A session was chosen.
    Selected {
        /// Which one.
        winner: Winner,
        /// Of how many.
        of: usize,
    },
    /// An agent's context was moved.
    Context {
        /// Whose.
        agent: &'static str,
        /// Where it was.
        from: NotePath,
        /// Where it is.
        to: NotePath,
    },
    /// An agent has, or had, a context under the new name; it stays.
    ContextKept {
        /// Whose.
        agent: &'static str,
        /// Where it is.
        path: NotePath,
    },
    /// The record was written.
    Record {
        /// Its version.
        version: u64,
    },
    /// There was a record already in which something had happened; it stays.
    RecordKept {
        /// Its version.
        version: u64,
    },
    /// An old note became a tombstone; its history stays.
    Archived {
        /// The note.
        path: NotePath,
    },
}

impl Migration {
    pub(super) fn new(dry_run: bool) -> Self {
        Self {
            dry_run,
            steps: Vec::new(),
            candidates: 0,
            skipped: 0,
            winner: None,
            contexts: 0,
            record: None,
            archived: 0,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing to migrate"),
            Self::Found { path, updated_at } => write!(f, "Found {path}, updated {updated_at}"),
            Self::Skipped { path, why } => write!(f, "Skipped {path}: it {why}"),
            Self::Selected { winner: Winner { id, by, updated_at }, of } => {
                let why = match by {
                    By::Pointer => "sessions/current-session names it",
                    By::Newest => "it was updated last",
                };
                write!(f, "Selected {id} of {of}, updated {updated_at}: {why}")
            }
            Self::Context { agent, from, to } => {
                write!(f, "Migrated agent context: {agent}, from {from} to {to}")
            }
            Self::ContextKept { agent, path } => {
                write!(f, "Kept agent context: {agent}, at {path} already")
            }
            Self::Record { version } => write!(f, "Wrote the record, version {version}"),
            Self::RecordKept { version } => {
                write!(f, "Kept the record that is there, version {version}")
            }
            Self::Archived { path } => write!(f, "Archived: {path}"),
        }
    }
}
