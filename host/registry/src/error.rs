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
    /// What is broken cannot be put aside.
    #[error("INDEX: the index {} is broken and cannot be put aside ({source}); delete it, it is rebuilt", path.display())]
    Host {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What SQLite writes at least.
const PAGE: usize = 32 << 10;

impl RegistryError {
    /// Whether nothing can be written there: to the file, or to the directory that it lies in; or
    /// nothing more, for the disk is full.
    pub(crate) fn cannot_be_written(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        use std::io::ErrorKind;
        let Self::Database { path, source } = self else { return false };
        match source.sqlite_error_code() {
            Some(ReadOnly | DiskFull) => true,
            // It does not say why.
            Some(CannotOpen | SystemIoFailure) => {
                let probe = path.with_extension("probe");
                let written = std::fs::write(&probe, [0; PAGE]);
                let _ = std::fs::remove_file(&probe);
                matches!(written, Err(e) if matches!(
                    e.kind(),
                    ErrorKind::PermissionDenied
                        | ErrorKind::ReadOnlyFilesystem
                        | ErrorKind::StorageFull
                        | ErrorKind::QuotaExceeded
                ))
            }
            _ => false,
        }
    }

    /// Whether the file is no database, or a damaged one.
    pub(crate) fn is_broken(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let Self::Database { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
    }

    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownVersion { .. } => "FORMAT_UNKNOWN",
            Self::Ambiguous { .. } => "SESSION_AMBIGUOUS",
            Self::Database { .. } | Self::Host { .. } => "INDEX",
        }
    }
}
