//! Why a checkpoint could not be made, come back to, or deleted.

use brio_session::FsError;

use crate::errors::{fs_code, ids, io_code};
use crate::{HostError, LeaseError, SessionError, SessionId};

/// A checkpoint could not be made, restored or deleted. The session is what it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is no name for a checkpoint.
    #[error(
        "CHECKPOINT_NAME: {name:?} is no name for a checkpoint; use 1 to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit, and not `before-restore`"
    )]
    Name {
        /** What was given. */
        name: String,
    },
    /// There is one of this name.
    #[error(
        "CHECKPOINT_EXISTS: {session} has a checkpoint {name}; give another name, or delete that one first"
    )]
    Exists {
        /** The session. */
        session: SessionId,
        /** The name. */
        name: String,
    },
    /// There is none of this name.
    #[error("CHECKPOINT_UNKNOWN: {session} has no checkpoint {name}; {}", known(names))]
    Unknown {
        /** The session. */
        session: SessionId,
        /** What was asked for. */
        name: String,
        /** Those that it has. */
        names: Vec<String>,
    },
    /// It has as many as it may.
    #[error("LIMIT: {session} has {most} checkpoints; delete one first")]
    TooMany {
        /** The session. */
        session: SessionId,
        /** How many that is. */
        most: usize,
    },
    /// Open children branch what the session did after the checkpoint.
    #[error(
        "OPEN_CHILDREN: {session} has children that began after the checkpoint {name} ({}); commit or roll them back first",
        ids(children)
    )]
    OpenChildren {
        /** The session. */
        session: SessionId,
        /** The checkpoint. */
        name: String,
        /** They. */
        children: Vec<SessionId>,
    },
    /// The parent is no longer what this session was begun on at the checkpoint.
    #[error(
        "PARENT_RESTORED: {session} was, at the checkpoint {name}, on a state of its parent {parent} that the parent has left; restore that in the parent first"
    )]
    ParentRestored {
        /** The session. */
        session: SessionId,
        /** The checkpoint. */
        name: String,
        /** Its parent. */
        parent: SessionId,
    },
    /// Somebody works in the session, or it cannot be opened.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// It cannot be found or read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Its layers cannot be opened.
    #[error("{}: the layers of {id} cannot be opened: {source}", fs_code(*source))]
    View {
        /** The session. */
        id: SessionId,
        /** Why. */
        source: FsError,
    },
    /// The host failed.
    #[error("{code}: {host}", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

fn known(names: &[String]) -> String {
    if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) }
}

impl CheckpointError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "CHECKPOINT_NAME",
            Self::Exists { .. } => "CHECKPOINT_EXISTS",
            Self::Unknown { .. } => "CHECKPOINT_UNKNOWN",
            Self::TooMany { .. } => "LIMIT",
            Self::OpenChildren { .. } => "OPEN_CHILDREN",
            Self::ParentRestored { .. } => "PARENT_RESTORED",
            Self::Lease(e) => e.code(),
            Self::Session(e) => e.code(),
            Self::View { source, .. } => fs_code(*source),
            Self::Io(e) => io_code(e),
        }
    }
}
