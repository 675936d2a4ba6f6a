//! What can go wrong with the index.

use std::path::PathBuf;

/// The index could not be used. Nothing of a session is lost with it: it can be deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The file was written by another version of Brio.
    #[error(
        "FORMAT_UNKNOWN: the index {} has version {found}, this brio knows {known}; use a newer brio",
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
    /// A prefix fits several sessions.
    #[error("SESSION_AMBIGUOUS: {prefix} fits {count} sessions; give more of the id")]
    Ambiguous {
        /// The prefix as it was given.
        prefix: String,
        /// How many sessions it fits.
        count: usize,
    },
    /// SQLite refused.
    #[error("INDEX: the index {} cannot be used ({source}); it may be deleted, and is rebuilt", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

impl RegistryError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownVersion { .. } => "FORMAT_UNKNOWN",
            Self::Ambiguous { .. } => "SESSION_AMBIGUOUS",
            Self::Database { .. } => "INDEX",
        }
    }
}
