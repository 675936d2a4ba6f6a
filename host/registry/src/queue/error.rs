//! Why the queue cannot be used.

use std::path::PathBuf;

/// The queue could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The file was written by another version of Brio.
    #[error(
        "FORMAT_UNKNOWN: the queue {} has version {found}, this brio knows {known}; use a newer brio",
        path.display()
    )]
    UnknownVersion {
        /// The database file.
        path: PathBuf,
        /// The version it says it has.
        found: i64,
        /// The version this code reads and writes.
        known: i64,
    },
    /// A prefix fits several jobs.
    #[error("TASK_AMBIGUOUS: {prefix} fits {count} tasks; give more of the id")]
    Ambiguous {
        /// The prefix as it was given.
        prefix: String,
        /// How many it fits.
        count: usize,
    },
    /// It could not be made durable. What was asked for may have been done.
    #[error("QUEUE: the queue {} cannot be made durable: {source}", path.display())]
    Flush {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("QUEUE: the queue {} cannot be used: {source}", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

impl QueueError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownVersion { .. } => "FORMAT_UNKNOWN",
            Self::Ambiguous { .. } => "TASK_AMBIGUOUS",
            Self::Flush { .. } | Self::Database { .. } => "QUEUE",
        }
    }
}
