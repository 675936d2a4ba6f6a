//! What can go wrong between a directory and a tree.

use std::io;

/// The module's result.
pub type WorktreeResult<T> = std::result::Result<T, WorktreeError>;

/// The error of a scan, a comparison or a checkout. Its text begins with a stable code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorktreeError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] crate::Error),
    /// Something in the directory cannot be read. Nothing was landed.
    #[error(
        "WORKTREE_READ: `{path}` cannot be read: {source}; nothing was landed, make it readable or name it in `.brioignore`"
    )]
    Read {
        /// The path in the directory; empty for the directory itself.
        path: String,
        /// The host's error.
        source: io::Error,
    },
    /// Something in the directory is not for a tree.
    #[error(
        "WORKTREE_NAME: `{path}` cannot be in a tree: {why}; rename it, or name it in `.brioignore`"
    )]
    Name {
        /// The path in the directory.
        path: String,
        /// Why not.
        why: String,
    },
    /// `.brioignore` is not to be understood.
    #[error("WORKTREE_IGNORE: `.brioignore`: {why}; correct it")]
    Ignore {
        /// What is wrong.
        why: String,
    },
    /// Something cannot be written. What is there stays, and the same checkout goes on from it.
    #[error(
        "WORKTREE_WRITE: `{path}` cannot be written: {source}; what is there stays, the same checkout goes on from it"
    )]
    Write {
        /// The path in the directory; empty for the directory itself.
        path: String,
        /// The host's error.
        source: io::Error,
    },
    /// The directory is not empty.
    #[error(
        "CHECKOUT_NOT_EMPTY: `{path}` is in the way; a checkout goes into an empty or new directory"
    )]
    InTheWay {
        /// What is there.
        path: String,
    },
    /// The directory holds another checkout that was not finished.
    #[error(
        "CHECKOUT_UNFINISHED: the directory holds an unfinished checkout of {found}, and {wanted} is asked for; finish that one, or empty the directory"
    )]
    Unfinished {
        /// What was being checked out.
        found: String,
        /// What is asked for.
        wanted: String,
    },
    /// Somebody checks out into the directory at this moment.
    #[error("CHECKOUT_BUSY: another checkout is at work in the directory; wait for it, or end it")]
    AtWork,
    /// Two names of the tree are one in this directory's file system.
    #[error(
        "CHECKOUT_NAMES: `{first}` and `{second}` are one name on this file system; nothing was overwritten, use one that tells upper from lower case"
    )]
    OneName {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// It was asked to stop.
    #[error("INTERRUPTED: it was stopped; what was done stays, the same command goes on from it")]
    Interrupted,
}

impl WorktreeError {
    /// The stable code that its text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(e) => e.code(),
            Self::Read { .. } => "WORKTREE_READ",
            Self::Name { .. } => "WORKTREE_NAME",
            Self::Ignore { .. } => "WORKTREE_IGNORE",
            Self::Write { .. } => "WORKTREE_WRITE",
            Self::InTheWay { .. } => "CHECKOUT_NOT_EMPTY",
            Self::Unfinished { .. } => "CHECKOUT_UNFINISHED",
            Self::AtWork => "CHECKOUT_BUSY",
            Self::OneName { .. } => "CHECKOUT_NAMES",
            Self::Interrupted => "INTERRUPTED",
        }
    }

    pub(super) fn read(path: &[u8], source: impl Into<io::Error>) -> Self {
        Self::Read { path: crate::tree::shown(path), source: source.into() }
    }

    pub(super) fn write(path: &[u8], source: impl Into<io::Error>) -> Self {
        Self::Write { path: crate::tree::shown(path), source: source.into() }
    }
}
