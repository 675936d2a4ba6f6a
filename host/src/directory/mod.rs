//! A session as a directory of the host: written out, compared, taken back.
//!
//! `listing` tells what a view shows, `write_out` makes that as a directory, `stamp` tells what
//! a directory holds, `compare` which of it is the session's already, `take_back` makes the
//! difference in the session. A run in the plain form, `export` and `import` are made of them.

pub(crate) mod beside;
mod compare;
mod export;
mod import;
mod listing;
mod stamp;
mod take_back;
mod target;
mod write_out;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_runtime::StopToken;
use brio_session::{FsError, RelPath};

pub use export::{ExportError, ExportOptions, Exported};
pub use import::{Import, ImportError, ImportOptions};
pub(crate) use listing::Listing;
pub(crate) use stamp::{Known, look, outlast, stamps_of};
pub(crate) use take_back::{Sides, take_back};
pub(crate) use target::{remove as remove_all, remove_tree};
pub(crate) use write_out::{make_private_and_write, space_left, write_out};

/// A directory could not be written from a session, or a session from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The session could not be read or written.
    #[error("{path} in the session: {source}")]
    View {
        /// The path.
        path: RelPath,
        /// Why.
        source: FsError,
    },
    /// The directory could not be written or read.
    #[error("{}: {source}", path.display())]
    Host {
        /// The path.
        path: PathBuf,
        /// Why.
        source: FsError,
    },
    /// It changed while it was read.
    #[error("{} changed while it was read", path.display())]
    Changing {
        /// The path.
        path: PathBuf,
    },
    /// Somebody stopped it.
    #[error("interrupted")]
    Interrupted,
}

impl DirectoryError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::View { source, .. } | Self::Host { source, .. } => source.code(),
            Self::Changing { .. } => "CHANGING",
            Self::Interrupted => "INTERRUPTED",
        }
    }

    pub(crate) fn host<E: Into<FsError>>(path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Host { path, source: source.into() }
    }

    pub(crate) fn view(path: &RelPath) -> impl FnOnce(FsError) -> Self {
        let path = path.clone();
        move |source| Self::View { path, source }
    }
}

/// How far an export or an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries that are done.
    pub done: u64,
    /// Entries in all.
    pub of: u64,
    /// Bytes of files that are done.
    pub bytes: u64,
    /// Bytes in all.
    pub of_bytes: u64,
}

/// Who looks on, and may end it.
#[derive(Clone, Default)]
pub struct Watch {
    /// Ends it.
    pub stop: StopToken,
    /// Told after each entry.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

impl Watch {
    fn go_on(&self) -> Result<(), DirectoryError> {
        if self.stop.is_stopped() { Err(DirectoryError::Interrupted) } else { Ok(()) }
    }

    fn tell(&self, progress: &Progress) {
        if let Some(tell) = &self.progress {
            tell(*progress);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// Whether a path is, or lies in, a `.git`.
pub(crate) fn in_git(path: &RelPath) -> bool {
    path.components().any(|name| name == b".git")
}
