//! One error per operation. Every text begins with its stable code and names the next step.

mod begin;
mod bind;
mod commit;
mod domain;
mod recover;
mod session;

use std::fmt;
use std::io;
use std::path::PathBuf;

use brio_project::NotesError;
use brio_session::{FsError, RelPath};

use crate::conflict::Summary;
use crate::{Access, Conflict, Gone, HeadError, Moved, SessionId, State, TreeInfo};

pub use begin::{BeginError, Boundary, BoundaryKind, Short};
pub use bind::BindError;
pub use commit::{ApplyError, CommitError, RefusedWhy, ResolveError};
pub use domain::{DomainError, LostSession, Unsupported};
pub use recover::RecoverError;
pub use session::{JournalError, LeaseError, RollbackError, SessionError};

/// What we were doing when the host failed us.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct HostError {
    /// The operation and what it was about.
    pub what: String,
    /// The host's error.
    pub source: io::Error,
}

impl HostError {
    pub(crate) fn new(what: impl fmt::Display, source: impl Into<io::Error>) -> Self {
        Self { what: what.to_string(), source: source.into() }
    }

    fn is_full(&self) -> bool {
        is_full(&self.source)
    }
}

pub(crate) fn is_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

pub(crate) fn io_code(e: &HostError) -> &'static str {
    // A copy from a store fails as what it was.
    let from_store = e.source.get_ref().and_then(|inner| inner.downcast_ref::<FsError>());
    match from_store {
        Some(e @ (FsError::Unreachable | FsError::Corrupt)) => e.code(),
        _ if e.is_full() => "NO_SPACE",
        _ => "IO",
    }
}

/// Gives an I/O result the words that say what was being done.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T, HostError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Result<T, HostError> {
        self.map_err(|e| HostError::new(what, e))
    }
}

pub(crate) fn fs_code(e: FsError) -> &'static str {
    e.code()
}

pub(crate) fn ids(ids: &[SessionId]) -> String {
    ids.iter().map(SessionId::as_str).collect::<Vec<_>>().join(", ")
}

fn paths(paths: &[RelPath]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn explained(access: &Option<Box<Access>>) -> String {
    access.as_ref().map_or_else(String::new, |a| format!(": {a}"))
}
